"""A studio is saved while it works, brought back elsewhere, and goes on to the same pixels."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from atelier.local import Stack
from atelier.up import serving
from jobs import service
from jobs.access import accounts
from jobs.database import Database, connect
from jobs.models import File
from jobs.settings import Settings
from jobs.storage import Storage
from jobs.stored.backup import MANIFEST, BackupError, Shelf
from tests.atelier.watching import ATELIER
from tests.commissions import Studio, tiny
from tests.ports import port_near
from tests.worker.test_attempts import saved_once

STEPS = 150


def settings_of(data: Path) -> Settings:
    return Settings.read(
        {
            "ATELIER_DATA": str(data),
            "PORT": str(port_near(18_600)),
            "ATELIER_SLOTS": "cpu:1",
            "ATELIER_THREADS": "1",
            "ATELIER_LEASE": "6",
        }
    )


def admin(data: Path, *arguments: str | Path, status: int = 0) -> str:
    """What ``atelier admin`` answers on the studio in ``data``."""
    done = subprocess.run(
        [*ATELIER, "admin", *map(str, arguments)],
        env={**os.environ, "ATELIER_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stdout + done.stderr


@contextmanager
def somebody_in(stack: Stack, owner: object = None) -> Iterator[Studio]:
    """The one owner of a studio, asking at the service."""
    from jobs.access.accounts import local_owner

    settings = stack.settings
    database = connect(settings, connections=4)
    with database.begin() as session:
        id_ = local_owner(session)
    yield Studio(settings, database, Storage(settings.storage), id_)
    database.close()


def works(studio: Studio, job_id: Any) -> list[tuple[str, str]]:
    found: list[File] = studio.outputs(job_id)
    return [(work.role, work.sha256) for work in found]


def no_signals(_line: str) -> None:
    return None


def test_a_studio_saved_at_work_goes_on_elsewhere_to_the_same_pixels(
    data: Path, photo: Path, painting: Path
) -> None:
    save, other = data.with_name("save"), data.with_name("other")
    with serving(settings_of(data), no_signals) as stack, somebody_in(stack) as studio:
        order = tiny(studio.upload(photo), studio.upload(painting), STEPS)
        job_id = studio.submit(order)
        waiting = studio.submit(order)
        with studio.database.begin() as session:
            lifetime = accounts.SESSION_LIFETIME
            browser = accounts.issue(session, studio.owner, "session", lifetime)
            program = accounts.issue(session, studio.owner, "api", lifetime)
        saved_once(studio, job_id)
        first = json.loads(admin(data, "backup", save, "--json"))
        assert not service.is_settled(studio.job(job_id)), "saved too late to prove anything"
        studio.ask(service.cancel, waiting)
        studio.wait_for_end(job_id)
        made = works(studio, job_id)
        second = json.loads(admin(data, "backup", save, "--json"))
        # Files never change: only what is new is copied.
        assert first["copied"] == first["files"] > 2
        assert 0 < second["copied"] < second["files"]
        # A restore beside a studio that runs is refused.
        assert "already runs" in admin(data, "restore", save, status=1)
    assert not (save / "files").stat().st_mode & 0o077, "everybody's works lie open"
    kept = Shelf(save).names()
    assert kept == [first["snapshot"], second["snapshot"]]

    told = json.loads(admin(other, "restore", save, "--snapshot", first["snapshot"], "--json"))
    assert told["queued_again"] == 1
    assert "mix two studios" in admin(other, "restore", save, status=1)
    with serving(settings_of(other), no_signals) as stack, somebody_in(stack) as studio:
        studio.wait_for_end(job_id)
        assert studio.moves(job_id)[:3] == [
            (None, "queued", None),
            ("queued", "running", None),
            ("running", "queued", "restored"),
        ]
        assert (studio.job(job_id).resumed_from_step or 0) > 0
        assert works(studio, job_id) == made
        # What was canceled after the backup waits again in it, and is made, too.
        assert studio.wait_for_end(waiting).state == "succeeded"
        with studio.database.begin() as session:
            assert accounts.asker(session, browser, "session") is None, "one of before still counts"
            assert accounts.asker(session, program, "api") is not None
        assert "well" in admin(other, "verify")


@pytest.fixture
def small(data: Path, photo: Path) -> Iterator[Callable[..., Path]]:
    """A studio without workers with one upload, and a backup of it."""
    save = data.with_name("save")
    with Stack(settings_of(data), services=("postgres", "migrate")) as stack:
        (data / "address").write_text("http://127.0.0.1:1")
        with somebody_in(stack) as studio:
            studio.upload(photo)
            yield lambda: save


def shelved(save: Path) -> Path:
    """The one stored file of a backup."""
    (found,) = (path for path in save.glob("files/*/*"))
    return found


def test_damage_is_named_and_nothing_is_restored(
    small: Callable[..., Path], data: Path, database: Database
) -> None:
    save = small()
    other = data.with_name("other")
    admin(data, "backup", save)
    name = Shelf(save).newest()
    whole = shelved(save).read_bytes()
    shelved(save).write_bytes(whole[:-1] + b"?")
    assert str(shelved(save)) in admin(other, "restore", save, status=1)
    assert not (other / "files").exists()
    # A backup that reads everything again mends what it finds damaged.
    admin(data, "backup", save)
    assert shelved(save).read_bytes() != whole
    admin(data, "backup", save, "--full")
    assert shelved(save).read_bytes() == whole
    manifest = Shelf(save).place(name) / MANIFEST
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 2'))
    said = admin(other, "restore", save, "--snapshot", name, status=1)
    assert "has format 2" in said
    newest = Shelf(save).place(Shelf(save).newest()) / MANIFEST
    told = json.loads(newest.read_text())
    newest.write_text(json.dumps({**told, "revision": "9999"}))
    assert "newer Atelier" in admin(other, "restore", save, status=1)
    assert "holds no snapshot" in admin(other, "restore", save, "--snapshot", "x", status=1)
    # What is gone from the studio is told; the rest is saved.
    stored = next((data / "files").glob("*/*"))
    stored.rename(stored.with_name("away"))
    shelved(save).unlink()
    assert f"NOT SAVED, damaged or gone: {stored.name}" in admin(data, "backup", save, status=1)


def test_a_sweep_waits_for_a_backup_and_old_snapshots_go_with_their_files(
    small: Callable[..., Path], data: Path
) -> None:
    from jobs.stored.backup import SWEEP_LOCK, may_sweep

    save = small()
    admin(data, "backup", save)
    settings = settings_of(data)
    from atelier.postgres import url_of

    opened = connect(settings.changed(database_url=url_of(settings)))
    with opened.engine.connect() as held, opened.begin() as session:
        held.execute(text("SELECT pg_advisory_lock_shared(:lock)"), {"lock": SWEEP_LOCK})
        assert not may_sweep(session)
        held.execute(text("SELECT pg_advisory_unlock_shared(:lock)"), {"lock": SWEEP_LOCK})
        assert may_sweep(session)
        session.execute(text("DELETE FROM file"))
    opened.close()
    gone = shelved(save)
    admin(data, "backup", save)
    assert gone.exists(), "an older snapshot needs it"
    killed = save / "snapshots" / ".20260101T000000.000000Z"
    killed.mkdir()
    admin(data, "backup", save, "--keep", "1")
    assert not gone.exists()
    assert not killed.exists()
    shelf = Shelf(save)
    with shelf.alone(), pytest.raises(BackupError, match="under way"), shelf.alone():
        pass
    assert len(Shelf(save).names()) == 1
