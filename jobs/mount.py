"""Whether a folder of stored files is the one that was used before, or only where it is mounted.

The first put leaves a mark in the folder and a row in the database. From then on a folder without
the mark is a network folder or a disk that is not mounted: what is written there would be hidden
by the mount, and rows would name what is not there.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from jobs import figures
from jobs.database import Database
from jobs.models import Chore

MARK = "atelier-storage"


class Mount:
    """Knows one folder; None where files are kept elsewhere than in a folder."""

    def __init__(self, root: Path | None) -> None:
        self._root, self._noted = root, False

    @property
    def words(self) -> str:
        """What is wrong where it is not there, and what to do."""
        return (
            f"{self._root} is not the folder of before: it holds no {MARK}. See that it is mounted."
            f" If it is a new folder on purpose: touch {self._root}/{MARK}"
        )

    def is_there(self, database: Database) -> bool:
        """Whether files may be stored; a folder that is used for the first time is marked.

        Raises OSError, DatabaseDownError.
        """
        if self._root is None:
            return True
        if not (self._root / MARK).exists():
            if self._noted or self._is_known(database):
                return False
            self.mark()
        if not self._noted:
            with database.begin() as session:
                figures.note_chore(session, self._name)
            self._noted = True
        return True

    def is_gone(self) -> bool:
        """Whether it was there when this process stored something, and is not any more."""
        return self._root is not None and self._noted and not (self._root / MARK).exists()

    def mark(self) -> None:
        """Let the folder be the one from now on. Raises OSError."""
        if self._root is not None:
            self._root.mkdir(parents=True, exist_ok=True)
            (self._root / MARK).touch()

    @property
    def _name(self) -> str:
        return f"storage {self._root}"

    def _is_known(self, database: Database) -> bool:
        with database.begin() as session:
            return session.scalar(select(Chore.name).where(Chore.name == self._name)) is not None
