"""``atelier admin backup`` and ``restore``: a whole studio into a folder, and back."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atelier.errors import StudioError
from atelier.in_use import opened, running
from atelier.problems import NoStudioError
from jobs.settings import Settings, bare_environment

if TYPE_CHECKING:
    from jobs.database import Database

Say = Callable[[str], object]


def backup(settings: Settings, folder: Path, keep: int, full: bool, say: Say) -> dict[str, Any]:
    """Save the studio of ``settings`` into ``folder``, also while it runs; what was done."""
    from jobs.storage import Storage
    from jobs.stored.backup import BackupError, Shelf

    with _database(settings, say) as found, opened(found) as database:
        shelf = Shelf(folder.absolute())
        try:
            shelf.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            tool = _tool("pg_dump", database)

            def dump(snapshot: str, target: Path) -> None:
                frame = ["--format=custom", "--no-owner", "--no-privileges", "--compress=6"]
                argv = [tool, *frame, f"--snapshot={snapshot}", f"--file={target}"]
                _run(argv, found.database_url)

            with shelf.alone():
                saved = shelf.save(database, Storage(found.storage), dump, full)
                gone = shelf.prune(keep)
        except BackupError as unfit:
            raise StudioError(str(unfit)) from None
        except OSError as failed:
            raise StudioError(f"The backup could not be written: {failed}") from None
    return {**asdict(saved), "folder": str(shelf.folder), "removed": gone}


def restore(settings: Settings, folder: Path, name: str | None, say: Say) -> dict[str, Any]:
    """Bring a backup back into an empty studio that does not run; what was done.

    Raises :class:`StudioError` with words, and then nothing was changed.
    """
    from jobs.storage import Storage, StorageError
    from jobs.stored.backup import BackupError, Shelf

    shelf = Shelf(folder.absolute())
    try:
        name = name or shelf.newest()
        say(f"Checking the backup {name} ...")
        manifest = shelf.check(name)
        _check_known(manifest.revision)
        with _stopped(settings, say) as found, opened(found) as database:
            _check_empty(database)
            say(f"Bringing back {len(manifest.files)} files ...")
            brought = shelf.bring_back(manifest, Storage(found.storage))
            say("Bringing back the database ...")
            _fill(database, found, shelf.place(name))
            queued = _settle(database)
    except (BackupError, StorageError) as unfit:
        raise StudioError(str(unfit)) from None
    return {
        "snapshot": name,
        "files": len(manifest.files),
        "brought": brought,
        "missing": list(manifest.missing),
        "queued_again": queued,
    }


def _fill(database: Database, settings: Settings, place: Path) -> None:
    from alembic import command

    from jobs.stored.backup import DUMP, clear
    from migrations.__main__ import config

    with database.engine.begin() as connection:
        clear(connection)
    frame = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
    dbname = _variables(settings.database_url)["PGDATABASE"]
    argv = [_tool("pg_restore", database), *frame, f"--dbname={dbname}", str(place / DUMP)]
    _run(argv, settings.database_url)
    command.upgrade(config(settings), "head")


def _settle(database: Database) -> int:
    """What ran when it was saved waits again; slots register anew; how many jobs that was. Whoever
    was signed in then signs in again: some of it may have been ended since, for a reason."""
    from sqlalchemy import delete

    from jobs import rescue
    from jobs.access.signing_in import ENTRANCES
    from jobs.models import Slot, Token

    with database.begin() as session:
        session.execute(delete(Slot))
        session.execute(delete(Token).where(Token.scope.in_(ENTRANCES)))
        return len(rescue.rescue_restored(session))


def _check_empty(database: Database) -> None:
    from jobs.stored.backup import is_empty

    with database.engine.connect() as connection:
        if not is_empty(connection):
            raise StudioError(
                "This studio holds works already, and a restore would mix two studios. Restore"
                " into an empty one: another ATELIER_DATA, or a new database."
            )


def _check_known(revision: str) -> None:
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    from migrations.__main__ import config

    try:
        ScriptDirectory.from_config(config(Settings.read({}))).get_revision(revision)
    except CommandError:
        raise StudioError(
            f"The backup was made by a newer Atelier (its tables are at {revision})."
            " Install that version or a newer one, then restore."
        ) from None


@contextmanager
def _database(settings: Settings, say: Say) -> Iterator[Settings]:
    """Settings with a database that answers: of the studio in use, else started for this."""
    try:
        found = running(settings)[0]
    except NoStudioError:
        with _stopped(settings, say) as started:
            yield started
    else:
        yield found


@contextmanager
def _stopped(settings: Settings, say: Say) -> Iterator[Settings]:
    """Settings with the database of a studio that does not run. Raises AlreadyRunningError."""
    from atelier.local import Stack

    if settings.database_url:
        yield settings
        return
    with Stack(settings, services=("postgres",), say=say) as stack:
        yield stack.settings


def _tool(name: str, database: Database) -> str:
    """A program of PostgreSQL's that knows this server: ours, else the system's."""
    from sqlalchemy import text

    from atelier.postgres import MAJOR, installed_binaries

    with database.engine.connect() as connection:
        number = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    major = number // 10_000
    if major <= int(MAJOR):
        return str(installed_binaries() / "bin" / name)
    found = shutil.which(name)
    if found:
        told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        said = re.search(r"\) (\d+)", told.stdout)
        if said and int(said[1]) >= major:
            return found
    raise StudioError(
        f"The database is PostgreSQL {major}, and no {name} here knows it. Install the client"
        f" programs of PostgreSQL {major}."
    )


def _run(argv: list[str], url: str) -> None:
    environment = {**bare_environment(), **_variables(url)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StudioError(f"{Path(argv[0]).name} failed: {done.stderr.strip()[-1000:]}")


def _variables(url: str) -> dict[str, str]:
    """How PostgreSQL's programs are told where to go, without a password for all to see."""
    from psycopg.conninfo import conninfo_to_dict
    from sqlalchemy.engine import make_url

    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    known = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "dbname": "PGDATABASE",
        "sslmode": "PGSSLMODE",
        "sslrootcert": "PGSSLROOTCERT",
    }
    found = conninfo_to_dict(plain)
    return {known[name]: str(value) for name, value in found.items() if name in known}
