"""What any program can do over HTTP about what is kept: deleting, and how long things stay."""

from __future__ import annotations

from typing import TypedDict
from urllib.parse import quote

from atelier.answers import File
from atelier.transport import Transport


class RetentionRule(TypedDict):
    """Let go of ``what`` so many days after a job's end, but not of the newest ``keep`` jobs."""

    what: str
    days: int
    keep: int
    owner: str | None


class RetentionEffect(TypedDict):
    """What a rule would remove now; the bytes are those of the first ``weighed`` jobs."""

    rule: RetentionRule
    jobs: int
    bytes: int
    weighed: int
    some: list[str]


class Upload(File):
    """An uploaded picture with its size in bytes."""

    bytes: int


class UploadPage(TypedDict):
    """A page of uploads; ``next`` and ``previous`` are addresses of its neighbours."""

    results: list[Upload]
    next: str | None
    previous: str | None


class Removal(TypedDict):
    """What the deletion of a job removes."""

    works: int
    frames: int
    checkpoints: int
    preview: bool
    log_bytes: int
    shared: int
    bytes: int


class Keeping(Transport):
    """Deleting one's own, and an administrator's rules."""

    def deletion(self, job_id: str) -> Removal:
        """What deleting a job would remove."""
        found: Removal = self._json("GET", f"/jobs/{quote(job_id, safe='')}/deletion")
        return found

    def delete(self, job_id: str) -> Removal:
        """Delete an ended job with its works and all that was derived from it."""
        removed: Removal = self._json("DELETE", f"/jobs/{quote(job_id, safe='')}")
        return removed

    def uploads(self, limit: int = 20, address: str | None = None) -> UploadPage:
        """A page of the pictures one has uploaded, newest first: the first, or the one at
        ``address`` (a ``next``)."""
        query = None if address else {"limit": str(limit)}
        page: UploadPage = self._json("GET", address or "/files", query=query)
        return page

    def delete_file(self, file_id: str) -> None:
        """Delete an upload."""
        self._json("DELETE", f"/files/{quote(file_id, safe='')}")

    def recipe_inside(self) -> bool:
        """Whether one's works carry their recipe when they leave."""
        return bool(self._json("GET", "/me/downloads")["recipe"])

    def choose_recipe_inside(self, inside: bool) -> None:
        """Choose that."""
        self._json("PUT", "/me/downloads", body={"recipe": inside})

    def retention(self) -> list[RetentionRule]:
        """How long things are kept."""
        return list(self._json("GET", "/admin/retention")["rules"])

    def set_retention(self, rules: list[RetentionRule], reason: str = "") -> list[RetentionRule]:
        """Let these be the rules; ``reason`` goes to the audit log."""
        body = {"rules": rules, "reason": reason}
        return list(self._json("PUT", "/admin/retention", body=body)["rules"])

    def retention_effects(self) -> list[RetentionEffect]:
        """What the rules would remove now."""
        return list(self._json("GET", "/admin/retention/effects")["results"])

    def apply_retention(self) -> dict[str, int]:
        """Remove now what the rules let go of; of how many jobs, by what."""
        return dict(self._json("POST", "/admin/retention/apply")["removed"])
