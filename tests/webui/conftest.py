"""Fixtures of the front end's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs.access.roles import Role
from jobs.settings import Settings
from tests.webui.quiet import Caller, Quiet, opened


@pytest.fixture(scope="session")
def quiet(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quiet]:
    """A front end whose jobs nobody runs."""
    folder = tmp_path_factory.mktemp("quiet")
    with opened(settings.changed(storage_url=str(folder), upload_bytes=200_000)) as made:
        yield made


@pytest.fixture
def administrator(quiet: Quiet) -> Caller:
    """Somebody new who is an administrator."""
    return quiet.somebody(Role.ADMINISTRATOR)


@pytest.fixture
def caller(quiet: Quiet) -> Caller:
    """Somebody new with a token for the quiet front end."""
    return quiet.somebody()
