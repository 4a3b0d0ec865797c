"""Promises switched off, and a disk that is full on demand: ``python -m tests.chaos.switches``.

    python -m tests.chaos.switches fence_ignored,disk jobs.keeper ...

applies the switches to this process and then runs the module's program. They exist here only:
the studio itself has no way to be less careful. A judge who does not find what a switched-off
promise leads to has proved nothing.
"""

from __future__ import annotations

import errno
import importlib
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

DISK_FULL = "ATELIER_TESTS_DISK_FULL"
"""Names the file that means, while it exists, that the disk is full."""

MODULE = "tests.chaos.switches"
ROOT = Path(__file__).parents[2]
LATE_SECONDS = 2.0
STALL_SECONDS = 5.0
# With LITTLE_BYTES a picture of so many pixels a side fits in pieces, not as a whole.
TOO_LARGE, LITTLE_BYTES = 512, 600 * 1024 * 1024
_runners: list[str] = []


def through(names: str, argv: list[str]) -> list[str]:
    """The command line ``python -m module ...`` with switches applied first."""
    python, _, module, *arguments = argv
    return [python, "-m", MODULE, names, module, *arguments]


def environment(disk_full: Path) -> Mapping[str, str]:
    """What a process needs to find this module and the file that means a full disk."""
    return {"PYTHONPATH": str(ROOT), DISK_FULL: str(disk_full)}


def fence_ignored() -> None:
    """Whoever asks is taken for the holder; its successor is on another machine."""
    from sqlalchemy import select

    from jobs import lease
    from jobs.models import Job

    def blind(checked: Callable[..., Any]) -> Callable[..., Any]:
        def unchecked(session: Any, hold: lease.Hold, **values: Any) -> Any:
            newest = session.execute(select(Job.fence).where(Job.id == hold.job_id)).scalar_one()
            return checked(session, replace(hold, fence=newest), **values)

        return unchecked

    _apart()
    # Named as attributes: a switch for what is called otherwise by now would switch nothing off.
    for function in (lease._touch, lease.held, lease.look, lease.confirm):
        setattr(lease, function.__name__, blind(function))


def hold_off() -> None:
    """A runner is told that its lease never ends; its successor is on another machine."""
    from worker import errand, slot, supervisor

    _apart()
    for module in (errand, slot, supervisor):
        module.step_until = lambda _asked_at, _seconds: 1e12  # type: ignore[attr-defined]


def _apart() -> None:
    """Every worker is on a machine of its own: on the same one there is a second net, as a
    successor kills who still has the job's lock."""
    from jobs.settings import Settings

    Settings.scratch = property(  # type: ignore[assignment]
        lambda self: self.data.absolute() / f"scratch-{os.getpid()}"
    )


def row_first() -> None:
    """Results are committed before they are stored, and stored a little later."""
    from jobs import storage

    prudent = storage.Storage.put

    def hasty(self: storage.Storage, database: Any, source: Path) -> storage.Stored:
        if not source.name.startswith("output"):
            return prudent(self, database, source)
        stored = storage.Stored(storage.digest(source), source.stat().st_size)
        storage.touch(database, stored)
        return stored

    storage.Storage.put = hasty  # type: ignore[method-assign]

    from worker import clerk

    recorded = clerk.Clerk._record

    def store_late(self: Any, *how: Any) -> None:
        recorded(self, *how)
        time.sleep(LATE_SECONDS)
        for path in Path(self._folder).glob("output-*"):
            prudent(self._storage, self._database, path)

    def remember(self: Any, told: dict[str, Any]) -> None:
        self._folder = Path(told["path"]).parent
        added(self, told)

    added = clerk.Clerk.add_output
    clerk.Clerk.add_output = remember  # type: ignore[method-assign]
    clerk.Clerk._record = store_late  # type: ignore[assignment,method-assign]


def impatient_keeper() -> None:
    """Silence means death, whatever happened to the keeper or the database."""
    from jobs import trust

    trust.Trust.holds = lambda self, now: True  # type: ignore[method-assign]


def disk() -> None:
    """Writes of stored files and of states fail while the disk is said to be full."""
    from jobs.storage import Storage

    written = Storage._write

    def write(self: Storage, source: Path, sha256: str) -> None:
        _refuse_if_full()
        written(self, source, sha256)

    Storage._write = write  # type: ignore[method-assign]
    _apply_in_runner(disk_of_runner)


def disk_of_runner() -> None:
    """The same for what a runner saves."""
    from engines import state

    saved = state.save

    def save(made: state.State, path: Path) -> None:
        _refuse_if_full()
        saved(made, path)

    state.save = save  # type: ignore[assignment]


def device_errors() -> None:
    """Every run meets an error of its device."""
    _apply_in_runner(device_errors_of_runner)


def device_broken() -> None:
    """The same, and a newcomer on the device meets one too."""
    from worker import probe

    device_errors()
    probe.PROGRAM = ("-c", "import sys; sys.exit('CUDA error: unknown')")


def device_errors_of_runner() -> None:
    """A step raises what torch raises then."""
    import torch

    from engines.style_transfer.engine import StyleTransfer

    def step(_self: StyleTransfer) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    StyleTransfer.step = step  # type: ignore[assignment,method-assign]


def hangs() -> None:
    """A run may be silent for :data:`STALL_SECONDS`; the first attempt is silent for ever."""
    from engines.registry import KINDS

    name = "style_transfer"
    KINDS[name] = replace(KINDS[name], stall_seconds=STALL_SECONDS)
    _apply_in_runner(hangs_of_runner)


def hangs_of_runner() -> None:
    """The second step of the first attempt never ends; that of the next takes long and tells so."""
    from engines.style_transfer.engine import StyleTransfer
    from worker.run import Run

    step, go = StyleTransfer.step, Run.go
    fences: list[int] = []

    def known(self: Run) -> None:
        fences.append(self._job.fence)
        go(self)

    def slow(self: StyleTransfer) -> Any:
        if self._step == 1 and fences == [1]:
            time.sleep(3600)
        until = time.monotonic() + 1.5 * STALL_SECONDS
        while self._step == 1 and time.monotonic() < until:
            self.pulse()
            time.sleep(0.1)
        return step(self)

    Run.go = known  # type: ignore[method-assign]
    StyleTransfer.step = slow  # type: ignore[method-assign]


def memory_errors() -> None:
    """Every run finds no memory for its second scale."""
    _apply_in_runner(memory_errors_of_runner)


def memory_errors_of_runner() -> None:
    """Opening the scale raises what torch raises then."""
    import torch

    from engines.style_transfer.engine import StyleTransfer

    step = StyleTransfer.step

    def poor(self: StyleTransfer) -> Any:
        self._open_scale()
        if self.fitted:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return step(self)

    StyleTransfer.step = poor  # type: ignore[method-assign]


def little_memory() -> None:
    """Every run gets less memory than a picture of :data:`TOO_LARGE` takes in one piece."""
    _apply_in_runner(little_memory_of_runner)


def little_memory_of_runner() -> None:
    """The kernel refuses what is beyond :data:`LITTLE_BYTES` more than a fresh runner has."""
    from worker.run import Run

    go = Run.go

    def bounded(self: Run) -> None:
        status = Path("/proc/self/status").read_text()
        (held,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmData"))
        limit = 1024 * int(held) + LITTLE_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        go(self)

    Run.go = bounded  # type: ignore[method-assign]


def _apply_in_runner(switch: Callable[[], None]) -> None:
    """A runner gets none of its worker's environment, except what finding the switches takes."""
    from worker import forks

    _runners.append(switch.__name__)
    forks.SERVER = ("-m", MODULE, ",".join(_runners), "worker.runner")  # type: ignore[assignment]
    if len(_runners) == 1:
        bare = forks.environment
        told = {name: os.environ[name] for name in ("PYTHONPATH", DISK_FULL)}
        forks.environment = lambda slot: {**bare(slot), **told}


def _refuse_if_full() -> None:
    if Path(os.environ[DISK_FULL]).exists():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


SWITCHES: dict[str, Callable[[], None]] = {
    switch.__name__: switch
    for switch in (
        fence_ignored,
        hold_off,
        row_first,
        impatient_keeper,
        disk,
        disk_of_runner,
        device_errors,
        device_broken,
        device_errors_of_runner,
        hangs,
        hangs_of_runner,
        memory_errors,
        memory_errors_of_runner,
        little_memory,
        little_memory_of_runner,
    )
}


def main() -> None:
    """Apply the switches, then do what the module does as a program."""
    _, names, module, *arguments = sys.argv
    for name in names.split(","):
        SWITCHES[name]()
    sys.argv = [module, *arguments]
    # Not run anew, as runpy would: a module that is its own program would lose its switches.
    program = importlib.import_module(module)
    if hasattr(program, "__path__"):
        program = importlib.import_module(f"{module}.__main__")
    sys.exit(program.main())


if __name__ == "__main__":
    main()
