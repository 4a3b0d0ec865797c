"""A front end whose jobs nobody runs, and the people who ask it.

It lives in a schema of its own in the real database, without workers, so that a queue stays
as a test has made it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, cast
from uuid import UUID

import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import func, insert, select, text, update
from werkzeug.test import TestResponse

from engines.pictures import PictureFacts, encode_png
from jobs import lease
from jobs.access import accounts
from jobs.access.roles import Role
from jobs.database import Database
from jobs.ids import new_id
from jobs.lease import Claim
from jobs.models import Blob, Dataset, Event, File, IdempotencyKey, Job, Owner, OwnerShare
from jobs.settings import Settings
from jobs.stored import files
from tests.schemas import own_schema
from webui import create_app
from webui.studio import Studio

API = "/api/v1"
SCHEMA = "quiet_api"
LEFT_BEHIND = (Blob, Dataset, Event, File, IdempotencyKey, Job)


@dataclass
class Quiet:
    """The application, and a look at what it keeps."""

    app: Flask
    settings: Settings

    @property
    def database(self) -> Database:
        """The application's own database."""
        return self.studio.database

    @property
    def studio(self) -> Studio:
        """The application's parts."""
        return cast(Studio, self.app.extensions["atelier"])

    @property
    def address(self) -> str:
        """The address under which the application is asked."""
        return f"http://127.0.0.1:{self.settings.port}"

    def change(self, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        """Other settings for the rest of a test."""
        changed = replace(self.studio, settings=self.settings.changed(**changes))
        monkeypatch.setitem(self.app.extensions, "atelier", changed)

    def somebody(self, role: Role = Role.ARTIST) -> Caller:
        """A new owner with a token."""
        id_ = new_id()
        with self.database.begin() as session:
            session.execute(insert(Owner).values(id=id_, name=str(id_), role=str(role)))
        return Caller(self, id_, self.token(id_))

    def token(
        self,
        owner: UUID,
        scope: accounts.Scope = "api",
        lifetime: timedelta = timedelta(hours=1),
    ) -> str:
        """A token of ``owner``."""
        with self.database.begin() as session:
            return accounts.issue(session, owner, scope, lifetime)

    def claim(self, owner: UUID) -> Claim:
        """What a worker would do: begin the next job; it is this owner's turn."""
        turn = update(OwnerShare).where(OwnerShare.owner_id == owner)
        with self.database.begin() as session:
            session.execute(turn.values(served_at=text("'epoch'")))
            claimed = lease.claim(session, "cpu:0@test", "cpu", 3600, 1000)
        assert claimed is not None, "no job waits"
        return claimed

    def holdings(self) -> dict[str, int]:
        """How many rows and stored files there are."""
        with self.database.begin() as session:
            counts = {
                table.__tablename__: session.execute(
                    select(func.count()).select_from(table)
                ).scalar_one()
                for table in LEFT_BEHIND
            }
        stored = [path for path in Path(self.settings.storage).glob("??/*") if path.is_file()]
        return {**counts, "stored": len(stored)}


@dataclass
class Caller:
    """Somebody with a token who asks the quiet application."""

    quiet: Quiet
    owner: UUID
    token: str

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **how: Any
    ) -> TestResponse:
        """One request with the token; ``path`` is below ``/api/v1`` unless it says so."""
        shown = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        address = path if path.startswith(API) else API + path
        client = self.quiet.app.test_client(use_cookies=False)
        how = {"base_url": self.quiet.address, **how}
        return client.open(address, method=method, headers=shown, **how)

    def get(self, path: str, **how: Any) -> TestResponse:
        """GET."""
        return self.ask("GET", path, **how)

    def post(self, path: str, **how: Any) -> TestResponse:
        """POST."""
        return self.ask("POST", path, **how)

    def upload(self, content: bytes, name: str = "photo.png", part: str = "file") -> TestResponse:
        """POST a file."""
        return self.post("/files", data={part: (BytesIO(content), name)})

    @cached_property
    def picture(self) -> str:
        """The id of a small picture of this caller, as an upload leaves it; checking one takes a
        process of its own, and most tests are about something else."""
        parts, facts = self.quiet.studio, PictureFacts("image/png", 64, 48)
        with NamedTemporaryFile(suffix=".png") as file:
            Path(file.name).write_bytes(png(64, 48))
            given = (parts.database, parts.storage, self.owner, Path(file.name), "photo.png")
            return str(files.keep(*given, facts, parts.settings).id)

    def order(self, **changes: Any) -> dict[str, Any]:
        """A small order that is in order."""
        params = {"content": self.picture, "styles": [self.picture], "preset": "draft"}
        return {"kind": "style_transfer", "params": params, **changes}

    def order_with(self, **params: Any) -> dict[str, Any]:
        """The same order with other parameters."""
        order = self.order()
        return {**order, "params": {**order["params"], **params}}

    def submit(self, **changes: Any) -> dict[str, Any]:
        """A job that now waits."""
        made = self.post("/jobs", json=self.order(**changes))
        assert made.status_code == 202, made.get_json()
        return cast(dict[str, Any], made.get_json())

    def job(self, id_: str) -> dict[str, Any]:
        """A job as it is now."""
        return cast(dict[str, Any], self.get(f"/jobs/{id_}").get_json())


def png(width: int, height: int, colour: str = "teal") -> bytes:
    """A small picture."""
    return encode_png(Image.new("RGB", (width, height), colour))


def problem(answer: TestResponse, status: int, code: str, *pointers: str) -> dict[str, Any]:
    """The problem in ``answer``, after checking that it is one, and the one it should be."""
    assert answer.content_type == "application/problem+json", answer.get_data(as_text=True)[:500]
    body = cast(dict[str, Any], answer.get_json())
    assert (answer.status_code, body["code"]) == (status, code), body
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["hint"]
    assert body["type"] == f"urn:atelier:problem:{code}"
    assert body["instance"].startswith("/")
    assert "Traceback" not in answer.get_data(as_text=True)
    assert [error["pointer"] for error in body["errors"]] == list(pointers)
    assert all(error["detail"] and error["code"] for error in body["errors"])
    return body


@contextmanager
def opened(settings: Settings, schema: str = SCHEMA) -> Iterator[Quiet]:
    """A quiet front end on ``settings``, in a schema of its own."""
    made = Quiet(create_app(settings), settings)
    with own_schema(made.database, schema):
        yield made
