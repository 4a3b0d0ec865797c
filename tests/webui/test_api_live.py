"""The API over HTTP on the running studio: one journey, and what only a real server shows."""

from __future__ import annotations

import hashlib
import http.client
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import UUID

import pytest
import requests

from atelier.local import Stack
from jobs.access import accounts
from jobs.database import Database

TINY = {"size": 64, "start_size": 64, "iterations": 2}
PATIENCE_SECONDS = 150.0


class Live(requests.Session):
    """Somebody with a token at the running studio."""

    def __init__(self, address: str, token: str) -> None:
        super().__init__()
        self.trust_env = False
        self.headers["Authorization"] = f"Bearer {token}"
        self.address = address

    def request(self, method: Any, url: Any, *rest: Any, **how: Any) -> requests.Response:
        """A request below the studio's address."""
        return super().request(method, urljoin(self.address, url), *rest, **{"timeout": 60, **how})


@pytest.fixture
def live(stack: Stack, database: Database, owner: UUID) -> Iterator[Live]:
    """A new owner at the running studio."""
    with database.begin() as session:
        token = accounts.issue(session, owner, "api", timedelta(hours=1))
    with Live(stack.address, token) as session:
        yield session


def _uploaded(live: Live, path: Path) -> str:
    with path.open("rb") as stream:
        answer = live.post("/api/v1/files", files={"file": (path.name, stream)})
    assert answer.status_code == 201
    return str(answer.json()["id"])


def _problem(answer: requests.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text[:300]
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    return body


def _ended(live: Live, address: str) -> requests.Response:
    """Poll as a client should: with the ETag, when ``Retry-After`` says so."""
    deadline, tag, answer = time.monotonic() + PATIENCE_SECONDS, "", None
    while time.monotonic() < deadline:
        found = live.get(address, headers={"If-None-Match": tag} if tag else {})
        if found.status_code != 304:
            answer, tag = found, found.headers["ETag"]
        if "Retry-After" not in found.headers:
            assert answer is not None
            return answer
        time.sleep(int(found.headers["Retry-After"]))
    raise AssertionError(f"waited in vain: {answer and answer.text}")


def test_polling_alone_leads_from_two_pictures_to_a_result(
    live: Live, photo: Path, painting: Path
) -> None:
    params = {"content": _uploaded(live, photo), "styles": [_uploaded(live, painting)], **TINY}
    made = live.post("/api/v1/jobs", json={"kind": "style_transfer", "params": params})
    assert made.status_code == 202
    job = _ended(live, made.headers["Location"]).json()
    assert (job["status"], job["error"], job["progress"]["percent"]) == ("succeeded", None, 100.0)
    result = job["outputs"][0]
    assert (result["role"], result["media_type"]) == ("result", "image/png")
    assert max(result["width"], result["height"]) == 64
    content = live.get(result["url"])
    assert hashlib.sha256(content.content).hexdigest() == result["sha256"]
    assert live.get(job["urls"]["artifacts"]).json() == {"results": job["outputs"]}
    assert live.get(job["urls"]["preview"]).headers["Content-Type"] == "image/jpeg"
    for action in ("cancel", "pause", "resume", "retry"):
        again = live.post(job["urls"][action])
        assert (again.status_code, again.json()) == (200, job), action
    change = {"params": {"content": result["id"], "seed": 1}}
    child = live.post(job["urls"]["rerun"], json=change, headers={"Prefer": "wait=30"})
    assert child.json()["parent_id"] == job["id"]
    assert _ended(live, child.headers["Location"]).json()["status"] == "succeeded"


def test_duplicates_sent_at_once_over_http_give_one_job(
    live: Live, photo: Path, painting: Path
) -> None:
    params = {"content": _uploaded(live, photo), "styles": [_uploaded(live, painting)], **TINY}
    order = {"kind": "style_transfer", "params": params, "tags": ["duplicate"]}
    headers = {**live.headers, "Idempotency-Key": "once"}

    def send(_: int) -> str:
        address = f"{live.address}/api/v1/jobs"
        return str(requests.post(address, json=order, headers=headers, timeout=60).json()["id"])

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(send, range(12)))) == 1
    jobs = live.get("/api/v1/jobs?tag=duplicate").json()["results"]
    assert len(jobs) == 1
    live.post(jobs[0]["urls"]["cancel"])


def test_an_upload_too_large_is_told_the_limit_while_it_is_still_being_sent(
    stack: Stack, live: Live
) -> None:
    limit = stack.settings.upload_bytes
    answer = live.post("/api/v1/files", files={"file": ("big.png", bytes(limit + 1_000_000))})
    assert f" {limit} " in _problem(answer, 413, "too_large")["title"]
    assert live.get("/api/v1/kinds").status_code == 200, "the next request is answered"


def test_an_upload_of_unsaid_length_is_bounded_as_well(stack: Stack, live: Live) -> None:
    def endless() -> Iterator[bytes]:
        yield b'--edge\r\nContent-Disposition: form-data; name="file"; filename="x.png"\r\n\r\n'
        for _ in range(stack.settings.upload_bytes // 1_000_000 + 2):
            yield bytes(1_000_000)
        yield b"\r\n--edge--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    answer = live.post("/api/v1/files", data=endless(), headers=headers)
    _problem(answer, 413, "too_large")


def test_a_name_in_chinese_survives_the_way_there_and_back(live: Live, photo: Path) -> None:
    with photo.open("rb") as stream:
        row = live.post("/api/v1/files", files={"file": ("猫.jpg", stream)}).json()
    assert row["name"] == "猫.jpg"
    got = live.get(f"{row['url']}?download")
    assert got.status_code == 200
    assert "%E7%8C%AB.jpg" in got.headers["Content-Disposition"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_answers_anybody(stack: Stack, path: str) -> None:
    assert requests.get(stack.address + path, timeout=30).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "a b", "[", "x@y", ""])
def test_a_foreign_or_broken_host_header_is_refused(stack: Stack, host: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(stack.address).netloc, timeout=30)
    connection.putrequest("GET", "/api/v1/jobs", skip_host=True)
    connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    assert answer.status in (400, 403)
    assert answer.getheader("Content-Type") == "application/problem+json", body
    assert "Traceback" not in body


def test_without_a_token_the_answer_is_a_problem(stack: Stack) -> None:
    answer = requests.get(f"{stack.address}/api/v1/jobs", timeout=30)
    _problem(answer, 401, "unauthenticated")
