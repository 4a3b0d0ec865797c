"""What a studio refuses, and what keeps it from being reached, in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from atelier.errors import StudioError


class ProblemError(StudioError):
    """An RFC 9457 problem. Its text shows the title, each field with what is wrong, the hint."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body = dict(body)
        self.status = int(body.get("status") or 0)
        self.code = str(body.get("code") or "")
        self.errors: list[Mapping[str, Any]] = list(body.get("errors") or [])
        super().__init__("\n".join(self._lines()))

    @classmethod
    def of_no_studio(cls, url: str, status: int) -> Self:
        """What answers at ``url`` is no studio, or something between us and it."""
        return cls(
            {
                "title": f"What answers at {url} is no Atelier studio (HTTP {status}).",
                "status": status,
                "code": "not_a_studio",
                "hint": "Check ATELIER_URL.",
            }
        )

    def _lines(self) -> list[str]:
        title = str(self.body.get("title") or f"The studio answered {self.status}.")
        detail = str(self.body.get("detail") or "")
        lines = [title]
        if self.errors:
            lines += [
                f"  {error.get('pointer', '')}: {error.get('detail')}" for error in self.errors
            ]
        elif detail and detail != title:
            lines.append(f"  {detail}")
        if hint := self.body.get("hint"):
            lines.append(str(hint))
        return lines


class NotReachableError(StudioError):
    """The studio does not answer."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"The studio at {url} does not answer. Start it with: atelier up"
            " (or set ATELIER_URL to where it runs)"
        )


class TransferError(StudioError):
    """A file did not arrive whole."""


class NoStudioError(NotReachableError):
    """No studio runs on the data folder, and none was named."""

    def __init__(self, folder: str) -> None:
        StudioError.__init__(
            self,
            f"No studio runs on {folder}. Start it with: atelier up"
            " (or set ATELIER_URL and ATELIER_TOKEN to use another)",
        )
