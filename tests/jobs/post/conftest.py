"""Receivers of webhooks on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from jobs.settings import Settings
from tests.jobs.post.outbox import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    told = Receiver()

    class Listening(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard = {name.lower(): value for name, value in self.headers.items()}
            told.heard.append(({**heard, "path": self.path}, body))
            self.send_response(told.answers.pop(0) if told.answers else 204)
            self.send_header("Location", f"{told.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Listening)
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def open_settings(settings: Settings) -> Settings:
    """Settings that allow a webhook to call this machine."""
    return settings.changed(webhook_private=True)
