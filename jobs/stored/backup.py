"""A studio's database and files in a folder, and back.

FOLDER/files/ab/abcd...           stored files by content, shared by all snapshots
FOLDER/snapshots/TIME/            database.dump and manifest.json, which names every file it needs
FOLDER/lock                       held by the backup that is under way

The database first, in one snapshot, then the files that this snapshot refers to. Files never
change, so what lies in the folder already is not copied again. While the lock of the sweep is
held, nothing that the snapshot needs is removed from the studio. A snapshot appears whole or not
at all.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from jobs import references
from jobs.database import Database
from jobs.storage import DamagedError, Storage, StorageError, digest

FORMAT = 1
# Held shared by backups and alone by the sweep of the keeper.
SWEEP_LOCK = 7_021_890
DUMP, MANIFEST = "database.dump", "manifest.json"

log = logging.getLogger(__name__)

# Writes the database as the exported snapshot ``name`` saw it to a file.
Dump = Callable[[str, Path], None]


class BackupError(Exception):
    """A backup that cannot be made or used, in words."""


@dataclass(frozen=True)
class Entry:
    """A stored file that a snapshot needs."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """What a snapshot holds. ``revision`` is that of the tables; ``missing`` could not be read."""

    format: int
    made_at: str
    atelier: str
    revision: str
    dump_sha256: str
    files: tuple[Entry, ...]
    missing: tuple[str, ...]

    def written(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Raises :class:`BackupError` when it is none of ours."""
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if told["format"] != FORMAT:
                raise BackupError(
                    f"{path} has format {told['format']}, and this Atelier knows {FORMAT}."
                    " Restore it with the version that made it, or a newer one."
                )
            files = tuple(Entry(**entry) for entry in told.pop("files"))
            return cls(files=files, missing=tuple(told.pop("missing")), **told)
        except (OSError, ValueError, KeyError, TypeError) as unfit:
            raise BackupError(f"{path} is no manifest of a backup: {unfit}") from None


@dataclass(frozen=True)
class Saved:
    """What a backup did: its snapshot, files it needs, files copied now, bytes copied now."""

    snapshot: str
    files: int
    copied: int
    bytes: int
    missing: tuple[str, ...]


class Shelf:
    """A folder of backups."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._snapshots = folder / "snapshots"

    def names(self) -> list[str]:
        """The complete snapshots, oldest first."""
        return sorted(path.parent.name for path in self._snapshots.glob(f"[0-9]*/{MANIFEST}"))

    def place(self, name: str) -> Path:
        """The folder of a snapshot. Raises :class:`BackupError` when there is none."""
        if name not in self.names():
            known = ", ".join(self.names()) or "none"
            raise BackupError(f"{self.folder} holds no snapshot {name!r}; it holds: {known}.")
        return self._snapshots / name

    def newest(self) -> str:
        """The newest snapshot. Raises :class:`BackupError` when there is none."""
        if not self.names():
            raise BackupError(f"There is no backup in {self.folder}.")
        return self.names()[-1]

    def file(self, sha256: str) -> Path:
        """Where a stored file lies, or will."""
        return self.folder / "files" / sha256[:2] / sha256

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one who adds to the folder, or prunes it of what no complete snapshot needs.

        Raises :class:`BackupError` where somebody does already, OSError.
        """
        with (self.folder / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BackupError(
                    f"Another backup into {self.folder} is under way. Try again once it is done."
                ) from None
            except OSError as unable:  # some network folders know no locks
                log.warning("%s cannot be locked: %s", self.folder, unable)
            yield

    def save(self, database: Database, storage: Storage, dump: Dump, full: bool = False) -> Saved:
        """Make a snapshot. ``full`` also reads again what was copied by earlier backups.

        Raises :class:`BackupError`, DatabaseDownError, OSError; a stored file that is gone or
        damaged is told in the result, and everything else is saved.
        """
        self._snapshots.mkdir(parents=True, exist_ok=True)
        (self.folder / "files").mkdir(mode=0o700, exist_ok=True)  # everybody's works
        name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        draft = self._snapshots / f".{name}"
        draft.mkdir(mode=0o700)
        try:
            with _no_sweep(database):
                revision, needed = _snapshot(database, lambda id_: dump(id_, draft / DUMP))
                copied = [entry for entry in needed if self._lacks(entry, full)]
                missing = [entry.sha256 for entry in copied if not self._copy(entry, storage)]
            kept = tuple(entry for entry in needed if entry.sha256 not in set(missing))
            manifest = Manifest(
                FORMAT,
                datetime.now(UTC).isoformat(timespec="seconds"),
                version("atelier"),
                revision,
                digest(draft / DUMP),
                kept,
                tuple(missing),
            )
            (draft / MANIFEST).write_text(manifest.written(), encoding="utf-8")
            os.sync()  # everything is on disk before the snapshot has its name
            draft.rename(self._snapshots / name)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        size = sum(entry.size for entry in copied if entry.sha256 not in set(missing))
        return Saved(name, len(kept), len(copied) - len(missing), size, tuple(missing))

    def prune(self, keep: int) -> list[str]:
        """Remove all but the newest ``keep`` snapshots, the files that only those needed, and what
        a backup left that was killed. Only for who is :meth:`alone`."""
        for draft in self._snapshots.glob(".[0-9]*"):
            shutil.rmtree(draft)
        names = self.names()
        gone = names[:-keep]
        for name in gone:
            # Without its manifest a snapshot counts for nothing.
            (self._snapshots / name / MANIFEST).unlink()
            shutil.rmtree(self._snapshots / name)
        if gone:
            needed = {
                entry.sha256
                for name in self.names()
                for entry in Manifest.read(self._snapshots / name / MANIFEST).files
            }
            for path in self.folder.glob("files/[0-9a-f][0-9a-f]/*"):
                if path.name not in needed:
                    path.unlink()
        return gone

    def check(self, name: str) -> Manifest:
        """Read all that a snapshot needs. Raises :class:`BackupError` naming what is damaged."""
        place = self.place(name)
        manifest = Manifest.read(place / MANIFEST)
        damaged = [] if digest(place / DUMP) == manifest.dump_sha256 else [str(place / DUMP)]
        damaged += [
            str(self.file(entry.sha256))
            for entry in manifest.files
            if not self._whole(entry.sha256)
        ]
        if damaged:
            raise BackupError(
                "Damaged or gone, so nothing was restored:\n  " + "\n  ".join(damaged)
            )
        return manifest

    def bring_back(self, manifest: Manifest, storage: Storage) -> int:
        """Put the files of a checked snapshot into the storage; how many were not there."""
        storage.begin()
        return sum(storage.bring(self.file(entry.sha256), entry.sha256) for entry in manifest.files)

    def _lacks(self, entry: Entry, full: bool) -> bool:
        path = self.file(entry.sha256)
        if not path.exists() or path.stat().st_size != entry.size:
            return True
        return full and not self._whole(entry.sha256)

    def _copy(self, entry: Entry, storage: Storage) -> bool:
        path = self.file(entry.sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            storage.fetch(entry.sha256, path)  # reads it again before it has its name
        except DamagedError:
            return False
        except StorageError as away:
            raise BackupError(str(away)) from away
        return True

    def _whole(self, sha256: str) -> bool:
        try:
            return digest(self.file(sha256)) == sha256
        except FileNotFoundError:
            return False


def may_sweep(session: Session) -> bool:
    """Whether bytes may be removed in this transaction: not while a backup copies them."""
    question = text("SELECT pg_try_advisory_xact_lock(:lock)")
    return bool(session.execute(question, {"lock": SWEEP_LOCK}).scalar_one())


def is_empty(connection: Connection) -> bool:
    """Whether a database holds no studio yet, or one in which nothing was ever made."""
    if not _has(connection, "alembic_version"):
        return True
    return not any(
        _has(connection, table)
        and connection.execute(text(f"SELECT EXISTS (SELECT 1 FROM {table})")).scalar_one()  # noqa: S608
        for table in ("job", "file", "blob", "event")
    )


def clear(connection: Connection) -> None:
    """Remove the tables and functions of an empty studio, so that a dump finds its place."""
    for query in (
        "SELECT format('DROP TABLE %s CASCADE', oid::regclass) FROM pg_class"
        " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')",
        "SELECT format('DROP ROUTINE %s CASCADE', oid::regprocedure) FROM pg_proc"
        " WHERE pronamespace = current_schema()::regnamespace",
    ):
        for statement in connection.execute(text(query)).scalars().all():
            connection.execute(text(statement))


def _has(connection: Connection, table: str) -> bool:
    return (
        connection.execute(text("SELECT to_regclass(:name)"), {"name": table}).scalar() is not None
    )


@contextmanager
def _no_sweep(database: Database) -> Iterator[None]:
    with database.engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_lock_shared(:lock)"), {"lock": SWEEP_LOCK})
        connection.commit()
        try:
            yield
        finally:
            # Not given back to the pool: the lock and the setting end with the connection.
            connection.invalidate()


def _snapshot(database: Database, dump: Callable[[str], None]) -> tuple[str, list[Entry]]:
    """Dump one snapshot of the database; its revision and the files it refers to."""
    with database.engine.connect() as plain:
        how: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        connection = plain.execution_options(**how)
        with Session(connection) as session:
            # A dump of a large studio takes longer than any of our transactions may.
            session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            session.execute(text("SET LOCAL statement_timeout = 0"))
            id_ = session.execute(text("SELECT pg_export_snapshot()")).scalar_one()
            revision = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
            needed = [Entry(*row) for row in references.everything(session)]
            dump(str(id_))
    return str(revision), needed
