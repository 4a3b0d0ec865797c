"""``atelier doctor``: everything a studio needs of this machine, each need one small check."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from atelier.errors import StudioError
from jobs.settings import Settings, SettingsError

NEEDED_BYTES = 2_000_000_000
# File systems in memory: what is synced there is gone after a restart.
VOLATILE = frozenset({"tmpfs", "ramfs", "overlay-volatile"})


@dataclass(frozen=True)
class Finding:
    """What a check found; ``fix`` says what to do when it is not good."""

    check: str
    good: bool
    found: str
    fix: str = ""

    def line(self) -> str:
        """For people."""
        mark = "ok   " if self.good else "WRONG"
        return f"{mark} {self.check}: {self.found}" + (
            f"\n      Fix: {self.fix}" if self.fix else ""
        )

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


class Wrong(Exception):  # noqa: N818  (reads as what a check says: raise Wrong(found, fix))
    """A check failed: what was found, and the fix."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found, fix)
        self.found, self.fix = found, fix


Check = Callable[[Settings], str]


def examine() -> Iterator[Finding]:
    """Run every check; one that cannot even run is a finding too."""
    try:
        settings = Settings.read()
    except SettingsError as wrong:
        yield Finding("settings", False, str(wrong), "Correct or unset the variables named here.")
        settings = Settings()
    else:
        yield Finding("settings", True, "every variable can be used")
    for name, check in CHECKS.items():
        yield _finding(name, check, settings)


def _finding(name: str, check: Check, settings: Settings) -> Finding:
    try:
        return Finding(name, True, check(settings))
    except Wrong as wrong:
        return Finding(name, False, wrong.found, wrong.fix)
    except (OSError, StudioError, SettingsError) as failed:
        return Finding(name, False, str(failed), "See the message.")


def python(_settings: Settings) -> str:
    """Python is new enough."""
    here = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 11):  # noqa: UP036  (an installer may have been told to ignore it)
        raise Wrong(here, "Install Python 3.11 or newer and run: make PYTHON=python3.11 up")
    return here


def packages(_settings: Settings) -> str:
    """What pyproject.toml asks for is installed in the versions it asks for."""
    from packaging.requirements import Requirement

    wrong = []
    wanted = [Requirement(line) for line in requires("atelier") or [] if "extra ==" not in line]
    for requirement in wanted:
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} is {installed}, needed {requirement.specifier}")
    if wrong:
        raise Wrong("; ".join(wrong), "Install again: .venv/bin/pip install -e .")
    return f"{len(wanted)} packages"


def torch_pair(_settings: Settings) -> str:
    """Torch and torchvision fit; tried in a process of its own, as importing takes seconds."""
    script = "import torch, torchvision; print(torch.__version__, torchvision.__version__)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 0:
        raise Wrong(
            done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "import failed",
            "Install both together: .venv/bin/pip install --force-reinstall torch torchvision",
        )
    return "torch {} with torchvision {}".format(*done.stdout.split())


def data_folder(settings: Settings) -> str:
    """The data folder can be written and has room."""
    folder = _nearest(settings.data.absolute())
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as trial:
            trial.write(b"atelier")
            trial.flush()
            os.fsync(trial.fileno())
    except OSError as refused:
        raise Wrong(
            f"{folder} cannot be written: {refused.strerror}",
            "Make it yours, or set ATELIER_DATA to a folder that is.",
        ) from None
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise Wrong(
            f"only {free / 1e9:.1f} GB free below {folder}",
            f"Free {NEEDED_BYTES / 1e9:.0f} GB, or set ATELIER_DATA to a larger disk.",
        )
    return f"{settings.data.absolute()}, {free / 1e9:.0f} GB free"


def durable(settings: Settings) -> str:
    """The data folder is on a disk: what is acknowledged must survive a power cut."""
    kind = _file_system(_nearest(settings.data.absolute()))
    if kind in VOLATILE:
        raise Wrong(f"{kind} keeps nothing over a restart", "Set ATELIER_DATA to a folder on disk.")
    return kind


def child_control(_settings: Settings) -> str:
    """prctl and pidfd work: no process may outlive ``atelier up``."""
    from atelier.guard import guarded

    done = subprocess.run(guarded(["true"]), timeout=20, check=False)
    if done.returncode != 0 or not hasattr(os, "pidfd_open"):
        raise Wrong(
            "prctl or pidfd is refused", "Run on Linux 5.4 or newer, outside such a sandbox."
        )
    return "prctl and pidfd work"


def limits(_settings: Settings) -> str:
    """Limits on memory and time can be set, which uploads are decoded under."""
    import resource

    try:
        soft, hard = resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE)
    except PermissionError:
        raise Wrong("prlimit is refused", "Run outside such a sandbox.") from None
    if hard != resource.RLIM_INFINITY and hard < 1024:
        raise Wrong(f"{hard} open files allowed", "Raise it: ulimit -Hn 4096")
    return f"{soft} open files"


def port(settings: Settings) -> str:
    """The web server's port is free, or a studio of ours has it."""
    from atelier.folders import read_private
    from atelier.local import free_port

    if address := read_private(settings.address_file):
        return f"a studio is running at {address}"
    free = free_port(settings.host, settings.port)
    if free != settings.port:
        return f"{settings.port} is taken; atelier up would use {free}"
    return f"{settings.port} is free"


def database(settings: Settings) -> str:
    """PostgreSQL answers and is at the newest migration, or can be served from here."""
    from atelier.in_use import running
    from atelier.problems import NoStudioError

    try:
        used, _ = running(settings)
    except NoStudioError:
        return _embedded()
    return _migrated(used)


def _embedded() -> str:
    """The embedded server can run as the user it would get; where it lies is not touched."""
    from atelier.folders import can_run
    from atelier.postgres import installed_binaries, unprivileged_user

    user = unprivileged_user() if os.getuid() == 0 else None
    server = installed_binaries() / "bin" / "postgres"
    if can_run(server, user):
        return "embedded; not running"
    if user is None:
        raise Wrong(f"{server} does not run", "Install again: .venv/bin/pip install -e .")
    return "embedded, from a copy that its user can reach; not running"


def _migrated(settings: Settings) -> str:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy.exc import DBAPIError

    from jobs.database import connect
    from migrations.__main__ import config

    head = ScriptDirectory.from_config(config(settings)).get_current_head()
    opened = connect(settings, connections=1)
    try:
        with opened.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except DBAPIError as failed:
        raise Wrong(
            f"no answer: {str(failed.orig).strip()}", "Start the database; check DATABASE_URL."
        ) from None
    finally:
        opened.close()
    if current != head:
        raise Wrong(f"at migration {current}, newest is {head}", "Run: python -m migrations")
    return f"at migration {current}"


def broker(settings: Settings) -> str:
    """Redis answers, where one is named."""
    if not settings.redis_url:
        from atelier.valkey import binary

        return f"embedded ({binary().name})"
    from kombu import Connection
    from kombu.exceptions import OperationalError

    try:
        with Connection(settings.redis_url, connect_timeout=3) as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
    except (OperationalError, OSError) as failed:
        raise Wrong(f"no answer: {failed}", "Start Redis; check REDIS_URL.") from None
    return "answers"


def storage(settings: Settings) -> str:
    """Files can be stored, read back and removed."""
    from uuid import uuid4

    import fsspec

    if not settings.storage_url:
        return f"the folder {settings.storage}"
    name = f"doctor-{uuid4().hex}"
    try:
        files, root = fsspec.core.url_to_fs(settings.storage)
        files.makedirs(root, exist_ok=True)
        files.pipe_file(f"{root}/{name}", b"atelier")
        same = files.cat_file(f"{root}/{name}") == b"atelier"
        files.rm_file(f"{root}/{name}")
    except Exception as failed:  # each file system raises its own
        raise Wrong(
            f"{type(failed).__name__}: {failed}", "Check STORAGE_URL and its keys."
        ) from None
    if not same:
        raise Wrong("what was stored came back changed", "Use another storage.")
    return settings.storage


def networks(settings: Settings) -> str:
    """A feature network is here and whole."""
    from atelier.networks import inventory

    found = inventory(settings.weights)
    if damaged := [entry["path"] for entry in found if entry["status"] == "damaged"]:
        raise Wrong(f"damaged: {', '.join(damaged)}", "Remove it, then: atelier weights add FILE")
    ready = [entry["name"] for entry in found if entry["status"] == "ready"]
    if not ready:
        raise Wrong(
            "none found", "Install again: .venv/bin/pip install --force-reinstall stlpips-pytorch"
        )
    return ", ".join(ready)


def slots(settings: Settings) -> str:
    """There is a place where jobs can run."""
    from worker.slots import found

    return ", ".join(f"{slot.name} ({slot.device})" for slot in found(settings))


def browser(settings: Settings) -> str:
    """Chromium, which only ``make test`` needs."""
    if not Path(settings.chromium).exists():
        return (
            f"{settings.chromium} is not there; only browser tests need it (apt install chromium)"
        )
    return settings.chromium


CHECKS: dict[str, Check] = {
    "python": python,
    "packages": packages,
    "torch": torch_pair,
    "data folder": data_folder,
    "durable": durable,
    "child processes": child_control,
    "limits": limits,
    "port": port,
    "database": database,
    "broker": broker,
    "storage": storage,
    "networks": networks,
    "slots": slots,
    "browser": browser,
}


def _nearest(path: Path) -> Path:
    """``path``, or what exists above it: looking must not make anything."""
    while not path.exists():
        path = path.parent
    return path


def _file_system(path: Path) -> str:
    """The type of the file system that ``path`` lies on."""
    best, kind = "", "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, found, *_ = line.split()
        inside = path == Path(mount) or Path(mount) in path.parents
        if inside and len(mount) >= len(best):
            best, kind = mount, found
    return kind
