"""The check of one dataset: ``python -m jobs.stored.checking DATASET PARENT``, begun by the keeper.

Fetch what was brought, look at every picture, store the pack, then commit the row. Killed at any
point it leaves a folder, which the next try begins by clearing away.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from engines import bounds, pictures
from engines.datasets import examination
from engines.datasets.examination import Checked, Found
from engines.datasets.pack import Pack
from engines.datasets.unpacking import Archive, ArchiveError
from jobs import process_log
from jobs.database import Database, DatabaseDownError, connect
from jobs.models import Dataset
from jobs.settings import Settings
from jobs.states import DatasetState
from jobs.storage import DamagedError, Storage, StorageError
from jobs.stored import datasets
from jobs.stored.checks import TRY_AGAIN

FOLDER = "datasets"
MEMORY = 3 * pictures.DECODE_MEMORY // 2
# What runs on the same machine goes first.
NICENESS = 10
TELL_SECONDS = 1.0
HELD = "held"

log = logging.getLogger(__name__)


class Check:
    """The check of one dataset, in a folder of its own."""

    def __init__(self, database: Database, storage: Storage, settings: Settings) -> None:
        self._database, self._storage, self._settings = database, storage, settings
        self._told_at = 0.0

    def run(self, dataset_id: UUID) -> None:
        """Check it, unless it is checked or gone. Raises StorageError, DatabaseDownError and
        OSError for what is no fault of the dataset."""
        row = self._row(dataset_id)
        if row is None:
            return
        with ExitStack() as stack:
            above = self._settings.scratch / FOLDER
            folder = stack.enter_context(_folder(above, dataset_id))
            try:
                self._commit(dataset_id, self._examined(row, folder, stack))
            except ArchiveError as refused:
                self._refuse(dataset_id, refused.code, refused.values)
            except MemoryError:
                self._refuse(dataset_id, "archive_too_costly", {})
            except DamagedError:
                self._refuse(dataset_id, "upload_lost", {})

    def _examined(self, row: Dataset, folder: Path, stack: ExitStack) -> Checked:
        earlier: Sequence[Found] = ()
        ignored = 0
        if row.base_sha256 is not None:
            self._storage.fetch(row.base_sha256, folder / "base.zip")
            earlier = examination.of_pack(stack.enter_context(Pack(folder / "base.zip")))
        if row.upload_sha256 is None:
            brought = examination.of_folder(self._drawn(row, folder / "art"))
        else:
            self._storage.fetch(row.upload_sha256, folder / "upload.zip")
            archive = Archive(
                folder / "upload.zip", 2 * self._settings.dataset_bytes, self._settings.upload_bytes
            )
            stack.callback(archive.close)
            brought, ignored = examination.of_archive(archive), archive.ignored
        work = folder / "work"
        work.mkdir()
        return examination.examine(
            earlier,
            brought,
            work,
            lambda done, total: self._tell(row.id, done, total),
            ignored=ignored,
        )

    def _drawn(self, row: Dataset, folder: Path) -> Path:
        """Sample art, drawn by a child: this process stays small. OSError when it cannot be
        written."""
        order = row.samples or {}
        numbers = [str(order[name]) for name in ("per_style", "size", "seed")]
        command = [sys.executable, "-I", "-m", "engines.datasets.samples", str(folder), *numbers]
        drawn = subprocess.run([*command, str(os.getpid())], check=False, env={})
        if drawn.returncode == bounds.DISK_FAILS:
            raise OSError(f"sample art could not be written to {folder}")
        drawn.check_returncode()
        return folder

    def _commit(self, dataset_id: UUID, checked: Checked) -> None:
        put = self._storage.put
        stored = [
            put(self._database, each) for each in (checked.pack, checked.album, checked.sheet)
        ]
        with self._database.begin() as session:
            hashes = [each.sha256 for each in stored]
            datasets.complete(session, dataset_id, checked.report, *hashes)
        log.info("dataset %s: ready, %s pictures", dataset_id, checked.report["pictures"])

    def _refuse(self, dataset_id: UUID, code: str, values: dict[str, object]) -> None:
        with self._database.begin() as session:
            datasets.refuse(session, dataset_id, code, values)
        log.info("dataset %s: refused, %s %s", dataset_id, code, values)

    def _row(self, dataset_id: UUID) -> Dataset | None:
        with self._database.begin() as session:
            query = select(Dataset).where(
                Dataset.id == dataset_id, Dataset.state == str(DatasetState.CHECKING)
            )
            return session.execute(query).scalar_one_or_none()

    def _tell(self, dataset_id: UUID, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told_at < TELL_SECONDS:
            return
        self._told_at = now
        with self._database.begin() as session:
            datasets.report_progress(session, dataset_id, done, total)


@contextmanager
def _folder(above: Path, dataset_id: UUID) -> Iterator[Path]:
    """An empty folder for this check alone; what others left behind goes.

    A keeper that lost the lead may still have a check of the same set running here: each holds
    its folder as long as it lives.
    """
    above.mkdir(parents=True, exist_ok=True)
    for leftover in above.iterdir():
        with suppress(BlockingIOError, FileNotFoundError), _held(leftover):
            shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{dataset_id}-", dir=above))
    try:
        with _held(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder. Raises BlockingIOError where somebody does."""
    with (folder / HELD).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def main(dataset_id: str, parent: str) -> int:
    """Check a dataset; the exit status tells the keeper whose fault a failure is."""
    bounds.die_with(int(parent))
    bounds.limit_memory(MEMORY)
    os.nice(NICENESS)
    settings = Settings.read()
    process_log.begin("keeper", settings)
    database = connect(settings, connections=2)
    try:
        Check(database, Storage(settings.storage), settings).run(UUID(dataset_id))
    except (StorageError, DatabaseDownError, OSError) as away:
        log.warning("dataset %s: %s; it is tried again", dataset_id, away)
        return TRY_AGAIN
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
