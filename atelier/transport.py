"""How the client asks a studio: with its token, patiently, and nobody else."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests
from requests.auth import AuthBase

from atelier.multipart import Form
from atelier.problems import NotReachableError, ProblemError, TransferError

API = "/api/v1"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class _Bearer(AuthBase):
    """As an auth object, so that nobody's .netrc replaces the token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Transport:
    """Requests to one studio. ``patience`` is how many seconds one is tried again."""

    def __init__(self, url: str, token: str, patience: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self.patience = patience
        self._session = requests.Session()
        self._session.auth = _Bearer(token)
        self._session.headers["Accept-Language"] = "en"
        # A proxy must not be asked for what is on this very machine.
        self._session.trust_env = urlsplit(url).hostname not in LOOPBACK

    def _json(self, method: str, address: str, **how: Any) -> Any:
        answer = self._send(method, address, **how)
        try:
            return answer.json()
        except ValueError:
            raise ProblemError.of_no_studio(self.url, answer.status_code) from None

    def _send(
        self,
        method: str,
        address: str,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        body: Mapping[str, Any] | None = None,
        upload: tuple[str, Any] | None = None,
        form: Form | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
    ) -> requests.Response:
        """Ask, and ask again while the studio is away. Every request of ours bears repeating:
        orders carry a key, uploads are stored once, actions change nothing the second time.
        """
        url = self._absolute(address)
        if form is not None:
            headers = {**(headers or {}), "Content-Type": form.content_type}
        deadline = time.monotonic() + self.patience
        pause = 0.2
        while True:
            if upload:
                upload[1].seek(0)
            if form is not None:
                form.rewind()
            try:
                answer = self._session.request(
                    method,
                    url,
                    params=query,
                    json=body,
                    data=form,
                    files={"file": upload} if upload else None,
                    headers=headers,
                    stream=stream,
                    timeout=(5, 120),
                    allow_redirects=False,
                )
            except (requests.ConnectionError, requests.Timeout) as failed:
                if time.monotonic() + pause > deadline:
                    raise NotReachableError(self.url) from failed
            else:
                pause = max(pause, seconds(answer.headers.get("Retry-After"), 0.0))
                if answer.status_code != 503 or time.monotonic() + pause > deadline:
                    return _granted(answer, self.url)
                answer.close()
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _followed(self, address: str) -> Iterator[str]:
        """A log that only grows, in whole lines, until it is said that no more will come."""
        known, tag = 0, ""
        while True:
            headers = {"Range": f"bytes={known}-", "If-None-Match": tag} if known else {}
            answer = self._send("GET", address, headers=headers)
            # What stands between may answer with everything where a part was asked for.
            said = answer.content[known if answer.status_code == 200 else 0 :]
            if said:
                known, tag = known + len(said), answer.headers.get("ETag", "")
                yield said.decode()
            if "Retry-After" not in answer.headers:
                return
            time.sleep(seconds(answer.headers["Retry-After"], 1.0))

    def _absolute(self, address: str) -> str:
        """A URL of this studio: tokens go to nobody else, whatever an answer says."""
        if address.startswith(f"{API}/"):
            return self.url + address
        if address.startswith("/"):
            return self.url + API + address
        url = urljoin(self.url, address)
        if urlsplit(url)[:2] != urlsplit(self.url)[:2]:
            raise TransferError(f"The studio named an address that is not its own: {url}")
        return url


def _granted(answer: requests.Response, url: str) -> requests.Response:
    if answer.status_code == 304 or 200 <= answer.status_code < 300:
        return answer
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ProblemError.of_no_studio(url, answer.status_code)
    raise ProblemError(body)


def seconds(header: str | None, otherwise: float) -> float:
    """The seconds that a ``Retry-After`` names."""
    return float(header) if header and header.isdigit() else otherwise


def said_digest(header: str) -> str | None:
    """The SHA-256 in hex that a ``Repr-Digest`` (RFC 9530) names."""
    found = re.search(r"sha-256=:([A-Za-z0-9+/=]+):", header)
    return base64.b64decode(found[1]).hex() if found else None


def segment(text: str) -> str:
    """A name or id as one part of an address."""
    return quote(text, safe="")
