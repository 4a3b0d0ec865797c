"""Both ends of the fork server: a process with torch imported that forks a runner in 20 ms.

Importing torch takes seconds and a core; forking takes neither, and forked runners share the
imported pages. The server is one thread without CUDA, so its forks are clean (the way of
Python's ``multiprocessing.forkserver``), and each runner is a process of its own as before.

    worker's side                        server's side, in ``worker.runner``
    ForkServer(slot)         ── starts ─►  serve(channel, run)
                             ◄─ ready ──
    fork(stdin, stdout)      ── 2 files ►  fork, run(stdin, stdout) in the child
                             ◄─ pid, pidfd
    status_of(pid)           ◄─ ended ──   waitpid
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from jobs.settings import bare_environment
from worker import parting
from worker.slots import SlotSpec

SERVER = ("-m", "worker.runner")
MESSAGE_BYTES = 4096
# A server that lives tells at once how a runner ended, on a busy machine a little later.
STATUS_SECONDS = 5.0


class ForkServerError(Exception):
    """The fork server is gone, or does not answer."""


class ForkServer:
    """The worker's side. The thread that starts it must outlive it: it dies with that thread."""

    def __init__(self, slot: SlotSpec) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *SERVER, "--parent", str(os.getpid())],
                stdin=theirs.fileno(),
                env=environment(slot),
                start_new_session=True,
            )
        self.born = time.monotonic()
        self._hearing = threading.Lock()
        self._ready = self._closed = False
        self._forked: tuple[int, int] | None = None
        self._ended: dict[int, int] = {}

    def await_ready(self, timeout: float) -> bool:
        """Wait until everything is imported; whether it is."""
        self._hear_until(lambda: self._ready, timeout)
        return self._ready and not self._closed

    def fork(self, stdin: int, stdout: int, timeout: float) -> tuple[int, int]:
        """Start a runner that reads ``stdin`` and writes ``stdout``; its pid and a pidfd of it.

        Raises :class:`ForkServerError` when no answer comes within ``timeout`` seconds.
        """
        try:
            socket.send_fds(self._channel, [b"fork"], [stdin, stdout])
        except OSError as gone:
            raise ForkServerError(str(gone)) from None
        self._hear_until(lambda: self._forked is not None, timeout)
        if self._forked is None:
            raise ForkServerError(f"no runner within {timeout:g} s")
        forked, self._forked = self._forked, None
        return forked

    def status_of(self, pid: int, timeout: float = STATUS_SECONDS) -> int | None:
        """How a runner ended, negative for a signal; None when the server did not say."""
        self._hear_until(lambda: pid in self._ended, timeout)
        return self._ended.pop(pid, None)

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    @property
    def lost(self) -> bool:
        """Whether nothing more is heard of it, because it has ended or was let go."""
        return self._closed or self.gone

    def kill(self) -> None:
        """End it; the kernel ends its runners with it."""
        self._process.kill()
        self._process.wait()
        # Whoever still listens on another thread hears its end, and who asks later gets no answer.
        with self._hearing:
            self._closed = True
            self._channel.close()

    def _hear_until(self, heard: Callable[[], bool], timeout: float) -> None:
        """Take in what the server says until ``heard``, its end, or ``timeout`` seconds."""
        until = time.monotonic() + timeout
        with self._hearing:
            while not heard() and not self._closed:
                left = until - time.monotonic()
                if left <= 0 or not _readable(self._channel.fileno(), left):
                    return
                self._hear()

    def _hear(self) -> None:
        try:
            message, files, _, _ = socket.recv_fds(self._channel, MESSAGE_BYTES, 1)
        except OSError:
            message, files = b"", []
        if not message:
            self._closed = True
            return
        told = json.loads(message)
        match told["is"]:
            case "ready":
                self._ready = True
            case "forked":
                # A number that was another's: how that one ended was never asked.
                self._ended.pop(told["pid"], None)
                if files:
                    self._forked = (told["pid"], files[0])
                else:  # no file is to be had here: whom nobody can watch must go, and its server
                    self._closed = True
            case "ended":
                self._ended[told["pid"]] = told["status"]


def serve(channel: socket.socket, run: Callable[[int, int], None]) -> NoReturn:
    """The server's side: say that all is imported, then fork a ``run`` for every request.

    Ends when the worker closes its end. Must be called on the only thread of the process.
    """
    _tell(channel, {"is": "ready"})
    children: dict[int, int] = {}
    while True:
        poll = select.poll()
        for file in (channel.fileno(), *children):
            poll.register(file, select.POLLIN)
        for file, _ in poll.poll():
            if file != channel.fileno():
                _bury(channel, children, file)
                continue
            message, files, _, _ = socket.recv_fds(channel, MESSAGE_BYTES, 2)
            if not message:
                sys.exit()
            _fork(channel, children, files, run)


def _fork(
    channel: socket.socket,
    children: dict[int, int],
    files: list[int],
    run: Callable[[int, int], None],
) -> None:
    server = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be_runner(channel, children, server, files, run)
    for file in files:
        os.close(file)
    pidfd = os.pidfd_open(pid)
    children[pidfd] = pid
    _tell(channel, {"is": "forked", "pid": pid}, [pidfd])


def _be_runner(
    channel: socket.socket,
    children: dict[int, int],
    server: int,
    files: list[int],
    run: Callable[[int, int], None],
) -> NoReturn:
    """The rest of a forked child's life: nothing of the server's is left open in it."""
    status = 1
    try:
        parting.die_with(server)
        os.setsid()
        parting.offer_to_oom_killer()
        channel.close()
        for pidfd in children:
            os.close(pidfd)
        run(*files)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # the server's own frames lie below: never return into them


def _bury(channel: socket.socket, children: dict[int, int], pidfd: int) -> None:
    pid = children.pop(pidfd)
    _, status = os.waitpid(pid, 0)
    os.close(pidfd)
    _tell(channel, {"is": "ended", "pid": pid, "status": os.waitstatus_to_exitcode(status)})


def _tell(channel: socket.socket, message: dict[str, Any], files: list[int] | None = None) -> None:
    # A worker that is gone ends this process by the kernel's signal; nothing to do here.
    try:
        socket.send_fds(channel, [json.dumps(message).encode()], files or [])
    except OSError:
        os.kill(os.getpid(), signal.SIGKILL)


def _readable(file: int, timeout: float) -> bool:
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(1000 * timeout))


def environment(slot: SlotSpec) -> dict[str, str]:
    """What a process of the slot may know: which device is its own, and no credentials."""
    visible = "" if slot.resource == "cpu" else slot.device
    return {
        **bare_environment(),
        "CUDA_VISIBLE_DEVICES": visible,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        # numpy's library would start threads at its import, and a fork would lose them.
        "OPENBLAS_NUM_THREADS": "1",
    }
