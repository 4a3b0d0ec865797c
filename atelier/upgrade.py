"""``atelier upgrade``: save, stop, install, migrate, start; what runs goes on afterwards."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from atelier.backup import backup
from atelier.errors import StudioError
from jobs.settings import Settings

Say = Callable[[str], object]

# Workers get 25 s to save, the servers some more.
STOP_SECONDS = 75.0
KEPT_BACKUPS = 3
LOOK_SECONDS = 0.1


def upgrade(settings: Settings, say: Say, *, install: bool, folder: Path | None) -> None:
    """Leave a studio that does not run, at the newest version's tables, with a backup of before.

    Raises :class:`StudioError` with words; what ran until then is saved and queued.
    """
    if settings.database_url:
        raise StudioError(
            "This studio's database is not ours to stop (DATABASE_URL is set). With Docker see"
            " 'Upgrading' in docs/operations.md."
        )
    save = folder or settings.data.absolute() / "backups"
    say(f"Saving the studio to {save} ...")
    saved = backup(settings, save, KEPT_BACKUPS, full=False, say=say)
    say(f"Saved as {saved['snapshot']}.")
    if stop_running(settings, say):
        say("Stopped; what ran is saved and waits.")
    if install:
        for command in installing(Path(__file__).parent.parent):
            _run(command, say)
    # Another process: what was installed just now is not what this one has loaded.
    _run([sys.executable, "-m", "atelier", "migrate"], say)


def stop_running(settings: Settings, say: Say) -> bool:
    """Ask the ``atelier up`` of this data folder to stop and wait for it; False when none runs."""
    path = settings.data / "lock"
    if not path.exists():
        return False
    with path.open("r+") as lock:
        if _free(lock.fileno()):
            return False
        process = int(lock.read() or 0)
        say(f"Stopping the studio (process {process}) ...")
        os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while not _free(lock.fileno()):
            if time.monotonic() > deadline:
                raise StudioError(
                    f"The studio (process {process}) does not stop. Stop it by hand and try again."
                )
            time.sleep(LOOK_SECONDS)
    return True


def installing(root: Path) -> list[list[str]]:
    """The commands that bring the newest version: of the checkout in ``root``, else the package."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if (root / ".git").exists():
        return [["git", "-C", str(root), "pull", "--ff-only"], [*pip, "-e", str(root)]]
    return [[*pip, "--upgrade", "atelier"]]


def migrate(settings: Settings, say: Say) -> None:
    """Bring the tables of a studio that does not run to this version."""
    from atelier.local import Stack

    with Stack(settings, services=("postgres", "migrate"), say=say):
        say("The database is at this version's tables.")


def _free(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(lock, fcntl.LOCK_UN)
    return True


def _run(command: list[str], say: Say) -> None:
    shown = " ".join(command)
    say(f"Running: {shown}")
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        raise StudioError(
            f"This failed: {shown}\nNothing is lost: the studio stands still and a backup was made"
            " before. Mend what it says and run atelier upgrade again, or start it: atelier up"
        )
