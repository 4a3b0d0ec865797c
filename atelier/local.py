"""The embedded stack: PostgreSQL, Valkey, migrations, web, keeper and one worker per slot.

    with Stack(Settings.read()) as stack:
        stack.wait_ready()
        stack.address                   # http://127.0.0.1:8000
        stack.restart("worker:cpu:0")

Everything is a child of the thread that entered the ``with``; the kernel ends the children
when that thread ends, whatever ends it. Nothing happens in the background: call
:meth:`Stack.turn` in a loop, and what died is started again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from atelier import processes
from atelier.children import Child, Program, how_it_ended, last_lines
from atelier.errors import AlreadyRunningError, StopAskedError, StudioError
from atelier.folders import make_folder
from jobs.settings import Settings

if TYPE_CHECKING:
    from atelier.postgres import Postgres

SERVICES = ("postgres", "valkey", "migrate", "web", "keeper", "worker")
START_SECONDS = 60.0
# A worker asks its run for a checkpoint; the design gives it 20 s, and we a little more.
WORKER_STOP_SECONDS = 25.0
WEB_STOP_SECONDS = 8.0

Say = Callable[[str], object]


def _silent(_line: str) -> None:
    return None


class Stack:
    """The processes of a local studio.

    ``services`` chooses among :data:`SERVICES`; ``DATABASE_URL`` and ``REDIS_URL`` in the
    settings leave the embedded server out. ``say`` receives one short line per happening.
    """

    def __init__(
        self, settings: Settings, services: Sequence[str] = SERVICES, say: Say = _silent
    ) -> None:
        self.settings = _absolute(settings)
        self.children: list[Child] = []
        self.postgres: Postgres | None = None
        self._services = services
        self._say = say
        self._lock = -1
        self._asked = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __del__(self) -> None:
        os.close(self._asked)

    @property
    def address(self) -> str:
        """The base URL of the web server as this machine reaches it."""
        return f"http://{processes.bind_address(_near(self.settings))}"

    def start(self) -> None:
        """Start what was chosen, each as soon as what it needs answers."""
        make_folder(self.settings.data, mode=0o711)
        make_folder(self.settings.logs)
        self._take_lock()
        self._start_servers()
        if "migrate" in self._services:
            self._run(self._ours("migrate", processes.migrate()))
        if "web" in self._services:
            self._choose_port()
        for program in self._programs():
            self._start(program)

    def stop(self) -> None:
        """Stop everything in order: who asks goes before who answers. Safe to call again."""
        workers = [child for child in self.children if child.name.startswith("worker:")]
        for child in [child for child in self.children if child.name == "web"]:
            self._stop(child)
        for child in workers:
            child.ask_to_stop()
        for child in workers:
            self._stop(child)
        for child in reversed(self.children):
            self._stop(child)
        self.children.clear()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def ask_to_stop(self) -> None:
        """Make a wait in progress, or the next, raise :class:`StopAskedError`. Signal-safe."""
        os.eventfd_write(self._asked, 1)

    def turn(self, seconds: float = 0.0) -> None:
        """Wait up to ``seconds`` for a happening, then start again whatever died."""
        self._wait(self._next_wake(seconds))
        for child in self.children:
            if (status := child.ended()) is not None:
                delay = child.delay_restart()
                self._say(
                    f"{child.name} ended ({how_it_ended(status)}); starting it again in"
                    f" {delay:g} s. Its log: {child.program.log}"
                )
            if not child.running and time.monotonic() >= child.again_at:
                child.start()

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Return when the web server says that it is ready; :class:`StudioError` when it fails."""
        if "web" in self._services:
            self._await("web", self._web_answers, seconds)

    def restart(self, name: str) -> None:
        """Stop and start ``name``, or every child whose name begins so (``worker``)."""
        for child in self.named(name):
            child.stop()
            child.start()

    def named(self, name: str) -> list[Child]:
        """The children called ``name`` or ``name:...``; there is at least one."""
        found = [c for c in self.children if c.name == name or c.name.startswith(f"{name}:")]
        if not found:
            raise KeyError(f"no process {name!r} here; there are {[c.name for c in self.children]}")
        return found

    def _take_lock(self) -> None:
        path = self.settings.data / "lock"
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._lock, 20).decode() or "unknown"
            os.close(self._lock)
            self._lock = -1
            raise AlreadyRunningError(
                f"A studio already runs on {self.settings.data} (process {holder}). Use that one,"
                " stop it with Ctrl-C, or give this one a folder of its own with ATELIER_DATA."
            ) from None
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def _start_servers(self) -> None:
        if "postgres" in self._services and not self.settings.database_url:
            from atelier.postgres import Postgres

            self.postgres = Postgres(self.settings, self._run)
            if self.postgres.place.moved:
                self._say(
                    f"The database lives in {self.postgres.place.base}:"
                    f" {self.postgres.place.moved}."
                )
            self.postgres.prepare()
            self._start(self.postgres.program())
        valkey = None
        if "valkey" in self._services and not self.settings.redis_url:
            from atelier.valkey import Valkey

            valkey = Valkey(self.settings)
            self._start(valkey.program())
            self._await("valkey", valkey.answers)
            self.settings = self.settings.changed(redis_url=valkey.url)
        if self.postgres:
            self._await("postgres", self.postgres.answers)
            self.settings = self.settings.changed(database_url=self.postgres.url)

    def _programs(self) -> Iterator[Program]:
        """The processes of ours, in the order in which they are started."""
        if "web" in self._services:
            yield self._ours("web", processes.web(self.settings), stop_seconds=WEB_STOP_SECONDS)
        if "keeper" in self._services:
            yield self._ours("keeper", processes.keeper())
        if "worker" in self._services:
            from worker.slots import found

            for slot in found(self.settings):
                yield self._ours(
                    f"worker:{slot.name}",
                    processes.worker(self.settings, slot.name, slot.resource),
                    stop_seconds=WORKER_STOP_SECONDS,
                    ATELIER_SLOT=slot.name,
                )

    def _ours(
        self, name: str, argv: list[str], stop_seconds: float = 10.0, **changes: str
    ) -> Program:
        variables = {**self.settings.variables(), **changes}
        return Program(
            name=name,
            argv=argv,
            environment=self.settings.environment(**variables),
            log=processes.log_file(self.settings, name),
            # Python looks for modules where it is started; nobody's files lie here.
            folder=make_folder(self.settings.data / "run"),
            stop_seconds=stop_seconds,
        )

    def _choose_port(self) -> None:
        wanted = self.settings.port
        port = free_port(self.settings.host, wanted)
        if port != wanted:
            self._say(f"Port {wanted} is taken; using {port}.")
            self.settings = self.settings.changed(port=port)

    def _start(self, program: Program) -> None:
        child = Child(program)
        self.children.append(child)
        child.start()

    def _stop(self, child: Child) -> None:
        if child.running and not child.stop():
            self._say(f"{child.name} did not stop in {child.program.stop_seconds:g} s; killed it.")

    def _run(self, program: Program, given: bytes | None = None) -> None:
        """Run a program to its end; :class:`StudioError` with its last words when it fails."""
        child = Child(program)
        self.children.append(child)
        child.start(given)
        while (status := child.ended()) is None:
            self._wait(None, [child])
        self.children.remove(child)
        if status != 0:
            raise StudioError(_failed(program, status))

    def _await(
        self, name: str, answers: Callable[[], bool], seconds: float = START_SECONDS
    ) -> None:
        """Wait until ``answers``; a process that ends meanwhile has failed."""
        (child,) = self.named(name)
        deadline = time.monotonic() + seconds
        while not answers():
            if (status := child.ended()) is not None:
                raise StudioError(_failed(child.program, status))
            if time.monotonic() > deadline:
                raise StudioError(
                    f"{name} does not answer after {seconds:g} s. The end of {child.program.log}:"
                    f"\n{last_lines(child.program.log)}"
                )
            self._wait(0.05)

    def _wait(self, seconds: float | None, children: Sequence[Child] | None = None) -> None:
        """Sleep until a child ends, someone asks to stop, or ``seconds`` have passed."""
        poll = select.poll()
        poll.register(self._asked, select.POLLIN)
        for child in self.children if children is None else children:
            if child.running:
                poll.register(child.pidfd, select.POLLIN)
        happened = poll.poll(None if seconds is None else max(0, int(seconds * 1000)))
        if any(descriptor == self._asked for descriptor, _ in happened):
            os.eventfd_read(self._asked)
            raise StopAskedError

    def _next_wake(self, seconds: float) -> float:
        now = time.monotonic()
        due = [child.again_at - now for child in self.children if not child.running]
        return max(0.0, min([seconds, *due]))

    def _web_answers(self) -> bool:
        from http.client import HTTPConnection, HTTPException

        near = _near(self.settings)
        connection = HTTPConnection(near.host, near.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def _absolute(settings: Settings) -> Settings:
    """The same settings for processes that start in another folder."""
    storage = settings.storage_url
    if storage and "://" not in storage:
        storage = str(Path(storage).absolute())
    return settings.changed(data=settings.data.absolute(), storage_url=storage)


def _near(settings: Settings) -> Settings:
    """The same settings with a loopback host where every address is listened on."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host)  # noqa: S104
    return settings.model_copy(update={"host": host}) if host else settings


def free_port(host: str, wanted: int) -> int:
    """``wanted``, or the next port above it that nobody listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(wanted, min(wanted + 100, 65536)):
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((host, port))
            except PermissionError:
                raise StudioError(
                    f"Port {port} is reserved for root. Set PORT to 1024 or more."
                ) from None
            except OSError as refused:
                if refused.errno != errno.EADDRINUSE:
                    raise StudioError(
                        f"Cannot listen on {host}: {refused.strerror}. Set ATELIER_HOST to an"
                        " address of this machine."
                    ) from None
                continue
        return port
    raise StudioError(f"The ports {wanted} to {wanted + 99} are all taken. Set PORT to another.")


def _failed(program: Program, status: int) -> str:
    return (
        f"{program.name} failed ({how_it_ended(status)}). The end of {program.log}:\n"
        f"{last_lines(program.log)}"
    )
