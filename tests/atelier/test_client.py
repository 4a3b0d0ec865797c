"""The client on a line that breaks: nothing is ordered twice, nothing is saved in halves."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from zipfile import is_zipfile

import pytest

from atelier.answers import File
from atelier.client import Studio
from atelier.local import Stack
from atelier.problems import NotReachableError, ProblemError, TransferError


class BreakingLine:
    """A TCP relay to the studio that loses the answers to its first requests."""

    def __init__(self, target: str, lost: int, keep: int = 0) -> None:
        where = urlsplit(target)
        self._target = (where.hostname or "", where.port or 0)
        self._lost, self._keep = lost, keep
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.requests = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self.requests += 1
            with near, socket.create_connection(self._target) as far:
                self._relay(near, far, self.requests <= self._lost)

    def _relay(self, near: socket.socket, far: socket.socket, lose: bool) -> None:
        near.settimeout(0.2)
        request = b""
        while True:
            try:
                request += near.recv(65536)
            except TimeoutError:
                break
        host, own = (
            f"Host: {h}:{p}".encode() for h, p in (self._server.getsockname(), self._target)
        )
        far.sendall(request.replace(host, own).replace(b"keep-alive", b"close"))
        answer = b""
        while part := far.recv(65536):
            answer += part
        near.sendall(answer[: self._keep] if lose else answer)


@pytest.fixture
def line(stack: Stack) -> Iterator[BreakingLine]:
    opened = BreakingLine(stack.address, lost=1)
    yield opened
    opened.close()


def test_an_order_whose_answer_was_lost_is_one_order(
    studio: Studio, token: str, line: BreakingLine, photo: Path
) -> None:
    picture = studio.upload(photo)["id"]
    params = {"content": picture, "styles": [picture], "size": 64, "iterations": 1}
    job = Studio(line.url, token, patience=10).submit("style_transfer", params, tags=["once"])
    assert line.requests == 2
    assert [found["id"] for found in studio.jobs(tag="once")["results"]] == [job["id"]]
    studio.cancel(job["id"])


def test_a_download_that_breaks_off_leaves_no_file(
    studio: Studio, token: str, stack: Stack, photo: Path, tmp_path: Path
) -> None:
    stored = studio.upload(photo)
    line = BreakingLine(stack.address, lost=1, keep=5000)
    with pytest.raises(TransferError):
        Studio(line.url, token, patience=10).download(stored, tmp_path / "photo.jpg")
    assert list(tmp_path.iterdir()) == []
    line.close()
    assert studio.download(stored, tmp_path / "photo.jpg").stat().st_size > 5000


def test_an_archive_that_is_cut_short_leaves_no_file(
    studio: Studio,
    token: str,
    stack: Stack,
    photo: Path,
    painting: Path,
    tmp_path: Path,
) -> None:
    content, style = (studio.upload(path)["id"] for path in (photo, painting))
    sizes = {"size": 64, "start_size": 64, "iterations": 1}
    made = studio.submit("style_transfer", {"content": content, "styles": [style], **sizes})
    *_, job = studio.watch(made["id"])
    assert job["status"] == "succeeded"
    line = BreakingLine(stack.address, lost=1, keep=1500)
    with pytest.raises(TransferError):
        Studio(line.url, token, patience=10).download_all(job["id"], tmp_path / "all.zip")
    assert list(tmp_path.iterdir()) == []
    line.close()
    assert is_zipfile(studio.download_all(job["id"], tmp_path / "all.zip"))


def test_a_download_with_another_hash_is_refused(
    studio: Studio, photo: Path, tmp_path: Path
) -> None:
    changed: File = {**studio.upload(photo), "sha256": "0" * 64}
    with pytest.raises(TransferError, match="damaged"):
        studio.download(changed, tmp_path / "photo.jpg")
    assert list(tmp_path.iterdir()) == []


def test_the_events_of_a_job_are_heard_to_its_end(
    studio: Studio, photo: Path, painting: Path
) -> None:
    content, style = (studio.upload(path)["id"] for path in (photo, painting))
    sizes = {"size": 64, "start_size": 64, "iterations": 1}
    job = studio.submit("style_transfer", {"content": content, "styles": [style], **sizes})
    heard = list(studio.events(job["id"]))
    changes = [(e["id"], e["data"]["to"]) for e in heard if e["event"] == "status"]
    assert changes == [("1", "queued"), ("2", "running"), ("3", "succeeded")]
    progress = [e["data"] for e in heard if e["event"] == "progress"]
    assert progress[-1]["step"] == progress[-1]["total"] == 1


def test_the_token_goes_to_no_other_host(studio: Studio, photo: Path, tmp_path: Path) -> None:
    elsewhere: File = {**studio.upload(photo), "url": "http://127.0.0.2:9/picture"}
    with pytest.raises(TransferError, match="not its own"):
        studio.download(elsewhere, tmp_path / "photo.jpg")


def test_a_problem_shows_title_field_and_hint(studio: Studio) -> None:
    with pytest.raises(ProblemError) as refused:
        studio.submit("style_transfer", {"size": 1})
    text = str(refused.value)
    assert "/params/size" in text
    assert "64" in text
    assert refused.value.body["hint"] in text


def test_a_studio_that_is_away_is_told_after_patience() -> None:
    with pytest.raises(NotReachableError, match="atelier up"):
        Studio("http://127.0.0.1:9", "x", patience=0.3).kinds()


def test_the_hash_that_an_answer_names_is_read_and_nothing_else() -> None:
    from atelier.transport import said_digest

    named = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    assert said_digest(named) == hashlib.sha256(b"").hexdigest()
    assert said_digest("") is None
    assert said_digest("md5=:1B2M2Y8AsgTpgAmY7PhCfg==:") is None
