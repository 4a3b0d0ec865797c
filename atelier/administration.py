"""What an administrator can do with a studio over HTTP: its slots, queues, and everybody's jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from atelier.transport import Transport, segment


class Worker(TypedDict):
    """A slot of the studio; ``drained`` ones take no further job.

    ``drained_because`` is why it is in quarantine: what its device answered, or what an
    administrator wrote.
    """

    id: str
    resource: str
    drained: bool
    drained_because: str | None
    job_id: str | None
    last_beat_seconds: float


class Administration(Transport):
    """The part of a studio that is for administrators. ``reason`` goes into its audit log."""

    def workers(self) -> list[Worker]:
        """Every slot that serves the studio, with what runs in it."""
        return list(self._json("GET", "/workers")["results"])

    def drain(self, slot: str, reason: str = "") -> list[Worker]:
        """Let a slot finish what runs in it and take nothing more."""
        return self._slot(slot, "drain", reason)

    def undrain(self, slot: str, reason: str = "") -> list[Worker]:
        """Let a slot take jobs again."""
        return self._slot(slot, "undrain", reason)

    def quarantine(self, slot: str, reason: str) -> list[Worker]:
        """Let a slot take nothing more because it is not trusted."""
        return self._slot(slot, "quarantine", reason)

    def forget(self, slot: str, reason: str = "") -> list[Worker]:
        """Strike a slot off whose worker is gone for good."""
        return self._slot(slot, "forget", reason)

    def overview(self) -> dict[str, Any]:
        """The whole studio, what needs a hand first."""
        return self._admin("GET", "/overview")

    def pause_queue(self, queue: str, reason: str = "") -> dict[str, Any]:
        """Let no waiting job of a queue begin."""
        return self._admin("POST", f"/queues/{segment(queue)}/pause", {"reason": reason})

    def resume_queue(self, queue: str, reason: str = "") -> dict[str, Any]:
        """Let waiting jobs of a queue begin again."""
        return self._admin("POST", f"/queues/{segment(queue)}/resume", {"reason": reason})

    def wake(self, queue: str) -> dict[str, Any]:
        """Tell the idle slots of a queue to look for work now."""
        return self._admin("POST", f"/queues/{segment(queue)}/wake")

    def begin_maintenance(
        self, message: str, retry_seconds: int | None = None, reason: str = ""
    ) -> dict[str, Any]:
        """Take no new jobs and begin none; people are shown ``message``."""
        body: dict[str, Any] = {"message": message, "reason": reason}
        if retry_seconds is not None:
            body["retry_seconds"] = retry_seconds
        return self._admin("POST", "/maintenance/begin", body)

    def end_maintenance(self, reason: str = "") -> dict[str, Any]:
        """Take jobs again."""
        return self._admin("POST", "/maintenance/end", {"reason": reason})

    def all_jobs(self, limit: int = 50, **filters: str) -> dict[str, Any]:
        """A page of everybody's jobs, newest first."""
        return self._admin("GET", "/jobs", query={"limit": str(limit), **_given(filters)})

    def whole_job(self, job_id: str) -> dict[str, Any]:
        """Anybody's job in full: attempts, events, causes, checkpoints, files."""
        return self._admin("GET", f"/jobs/{segment(job_id)}")

    def log_of_job(self, job_id: str, tail: int | None = None) -> str:
        """What the runs of anybody's job said; with ``tail`` only that many lines of its end."""
        query = {"tail": str(tail)} if tail is not None else None
        place = f"/admin/jobs/{segment(job_id)}/log"
        return self._send("GET", place, query=query).content.decode()

    def follow_log_of_job(self, job_id: str) -> Iterator[str]:
        """What they said, then what they say, in whole lines until the job has ended."""
        return self._followed(f"/admin/jobs/{segment(job_id)}/log")

    def check_checkpoint(self, job_id: str, checkpoint_id: str) -> dict[str, Any]:
        """Read a checkpoint to its end: whether its hash is right."""
        place = f"/jobs/{segment(job_id)}/checkpoints/{segment(checkpoint_id)}/check"
        return self._admin("GET", place)

    def cancel_job(self, job_id: str, reason: str) -> dict[str, Any]:
        """Stop anybody's job for good."""
        return self._admin("POST", f"/jobs/{segment(job_id)}/cancel", {"reason": reason})

    def set_priority(self, job_id: str, priority: int, reason: str = "") -> dict[str, Any]:
        """Give a job another priority among its owner's jobs."""
        body = {"priority": priority, "reason": reason}
        return self._admin("POST", f"/jobs/{segment(job_id)}/priority", body)

    def move_to_front(self, job_id: str, reason: str = "") -> dict[str, Any]:
        """Put a waiting job before all others of its queue."""
        return self._admin("POST", f"/jobs/{segment(job_id)}/front", {"reason": reason})

    def requeue(self, job_id: str, reason: str = "", from_start: bool = False) -> dict[str, Any]:
        """Queue anybody's failed job again."""
        body, query = {"reason": reason}, _start(from_start)
        return self._admin("POST", f"/jobs/{segment(job_id)}/requeue", body, query)

    def preview_requeue(self, **filters: str) -> dict[str, Any]:
        """How many failed jobs a filter means, and some of them."""
        return self._admin("GET", "/requeue", query=_given(filters))

    def requeue_many(self, why: str, from_start: bool = False, **filters: str) -> dict[str, Any]:
        """Queue the failed jobs that a filter means again, some hundreds at a time; the filter
        ``reason`` is why they failed."""
        query = {**_given(filters), **_start(from_start)}
        return self._admin("POST", "/requeue", {"reason": why}, query)

    def audit(self, limit: int = 50, **filters: str) -> list[dict[str, Any]]:
        """What administrators changed, newest first."""
        query = {"limit": str(limit), **_given(filters)}
        return list(self._admin("GET", "/audit", query=query)["results"])

    def check_audit(self, head: str = "") -> dict[str, Any]:
        """Read the whole audit log; ``head`` is a hash written down earlier."""
        return self._admin("GET", "/audit/check", query=_given({"head": head}))

    def _slot(self, slot: str, action: str, reason: str) -> list[Worker]:
        place = f"/workers/{segment(slot)}/{action}"
        return list(self._json("POST", place, body={"reason": reason})["results"])

    def _admin(
        self,
        method: str,
        place: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self._json(method, f"/admin{place}", body=body, query=query)
        return answer


def _given(filters: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in filters.items() if value}


def _start(from_start: bool) -> dict[str, str]:
    return {"from": "start"} if from_start else {}
