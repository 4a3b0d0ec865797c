"""How the parts of a studio answer is told also while one of them hangs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from jobs.storage import Storage
from tests.webui.quiet import Caller, Quiet
from webui import services
from webui.metrics import StudioCollector


class Hung(MemoryFileSystem):  # type: ignore[misc]  # fsspec tells no types
    """A storage whose server is gone: who asks waits until it is back."""

    protocol = "hung"
    back = threading.Event()

    def exists(self, path: str, **_: Any) -> bool:
        return self.back.wait(30)


class HungStorage(Storage):
    """One that also tells its room only then."""

    def free_bytes(self) -> float:
        return float(Hung.back.wait(30))


@pytest.fixture
def hung(quiet: Quiet, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fsspec.register_implementation("hung", Hung, clobber=True)
    changed = replace(quiet.studio, storage=HungStorage("hung://files"))
    monkeypatch.setitem(quiet.app.extensions, "atelier", changed)
    monkeypatch.setattr(services, "PATIENCE_SECONDS", 0.05)
    Hung.back.clear()
    yield
    Hung.back.set()


@pytest.mark.usefixtures("hung")
def test_the_overview_answers_while_the_storage_hangs(administrator: Caller) -> None:
    """Again and again, with one thread that waits, and right again once the storage is back."""
    waiting = threading.active_count()
    for _ in range(3):
        seen = administrator.get("/admin/overview").get_json()
        assert seen["services"]["storage"]["answers"] is False
        assert "storage_away" in {alarm["code"] for alarm in seen["alarms"]}
    assert threading.active_count() <= waiting + 1
    Hung.back.set()
    assert services._known[0].storage._answered.wait(20)
    seen = administrator.get("/admin/overview").get_json()
    assert seen["services"]["storage"]["answers"] is True


@pytest.mark.usefixtures("hung")
def test_whoever_watches_is_answered_while_the_storage_hangs(quiet: Quiet) -> None:
    collector = StudioCollector(quiet.app.extensions["atelier"])
    names = {family.name for family in collector.collect()}
    assert "atelier_database_up" in names
    assert "atelier_storage_free_bytes" not in names
