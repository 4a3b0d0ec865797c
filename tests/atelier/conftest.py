"""Folders for stacks of their own, and a command line on the shared studio."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from atelier.client import Studio
from atelier.local import Stack
from jobs.access.accounts import issue
from jobs.database import Database
from tests.atelier.watching import ATELIER, processes_of, until


@pytest.fixture(scope="session")
def removals() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Removals under way: a database is a thousand files, and no test should wait for them."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for removal in started:
        removal.wait()


@pytest.fixture
def data(removals: list[subprocess.Popen[bytes]]) -> Iterator[Path]:
    """A data folder below an open one, so that the database lies inside; all ends with it."""
    above = Path(tempfile.mkdtemp(prefix="atelier-test-"))
    above.chmod(0o711)
    yield above / "var"
    until(lambda: not processes_of(above), 20, f"end of {processes_of(above)}")
    removals.append(subprocess.Popen(["rm", "-rf", str(above)]))


@dataclass(frozen=True)
class Said:
    """How a command ended and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)


Cli = Callable[..., Said]


@pytest.fixture
def token(database: Database, owner: UUID) -> str:
    """A token of somebody new."""
    with database.begin() as session:
        return issue(session, owner, "api", timedelta(hours=1))


@pytest.fixture
def studio(stack: Stack, token: str) -> Studio:
    """A client of the shared studio."""
    return Studio(stack.address, token, patience=10)


@pytest.fixture
def cli(stack: Stack, token: str, tmp_path: Path) -> Cli:
    """The command line as a person runs it, on the shared studio."""

    def run(*arguments: str | Path, **variables: str) -> Said:
        named = {"ATELIER_URL": stack.address, "ATELIER_TOKEN": token, "COLUMNS": "80"}
        done = subprocess.run(
            [*ATELIER, *map(str, arguments)],
            env={**os.environ, **named, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    return run
