"""``atelier admin`` on a real studio, beside its running jobs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from sqlalchemy import text, update

from atelier.local import Stack
from jobs.database import Database
from jobs.models import Owner
from jobs.settings import Settings
from tests.atelier.conftest import Cli, Said
from tests.atelier.test_cli import TINY


@pytest.fixture
def admin(cli: Cli, settings: Settings) -> Cli:
    """The command line of whoever administers the shared studio."""

    def run(*arguments: str | Path, **variables: str) -> Said:
        where = {"DATABASE_URL": settings.database_url, "STORAGE_URL": settings.storage}
        return cli("admin", *arguments, **{**where, **variables})

    return run


@pytest.fixture
def job_id(cli: Cli, photo: Path, painting: Path) -> str:
    """A finished job."""
    pictures = ["--content", photo, "--styles", painting]
    made = cli("submit", "style_transfer", *pictures, *TINY, "--watch", "--json")
    assert made.status == 0, made.err
    return str(made.document["id"])


def wrong(admin: Cli) -> list[dict[str, Any]]:
    """What is found wrong, but stored files: other tests damage some of the shared studio's."""
    told = admin("verify", "--json")
    found = told.document["findings"]
    assert told.status == (1 if found else 0)
    return [finding for finding in found if finding["check"] != "bytes"]


def test_a_studio_at_work_is_found_well_and_damage_is_named(
    admin: Cli, job_id: str, database: Database
) -> None:
    assert wrong(admin) == []
    with database.begin() as session:
        damage = text("UPDATE job SET reason = 'stalled' WHERE id = :id")
        session.execute(damage, {"id": job_id})
    try:
        (finding,) = wrong(admin)
        shown = admin("verify")
    finally:
        with database.begin() as session:
            session.execute(text("UPDATE job SET reason = NULL WHERE id = :id"), {"id": job_id})
    assert (finding["check"], finding["job_id"]) == ("row", job_id)
    words = f"WRONG job {job_id}: its row says reason = stalled, its events say nothing"
    assert (shown.status, words in shown.out, "Fix: " in shown.out) == (1, True, True)
    assert re.search(
        r"^Looked at \d+ jobs and \d+ stored files: \d+ things? (is|are) wrong\.$", shown.out, re.M
    )
    assert wrong(admin) == []


def test_counts_are_made_anew(admin: Cli, job_id: str, database: Database) -> None:
    own = "owner_id = (SELECT owner_id FROM job WHERE id = :id)"
    with database.begin() as session:
        session.execute(text(f"UPDATE owner_share SET running = 3 WHERE {own}"), {"id": job_id})
    assert [finding["check"] for finding in wrong(admin)] == ["count"]
    assert admin("recount").out == "1 count was wrong and mended.\n"
    assert admin("recount", "--json").document == {"mended": 0}
    assert wrong(admin) == []


def test_without_a_database_it_says_so(admin: Cli, tmp_path: Path) -> None:
    none = {"DATABASE_URL": "", "ATELIER_DATA": str(tmp_path / "none")}
    nothing = admin("verify", **none)
    assert (nothing.status, "atelier up" in nothing.err) == (4, True)
    away = admin("verify", DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert (away.status, "database cannot be reached" in away.err) == (1, True)


def test_a_token_for_metrics_reads_them_and_nothing_else(admin: Cli, stack: Stack) -> None:
    shown = admin("metrics-token").out.strip()
    headers = {"Authorization": f"Bearer {shown}"}
    told = requests.get(f"{stack.address}/metrics", headers=headers, timeout=10)
    assert (told.status_code, "atelier_keeper_last_turn_age_seconds" in told.text) == (200, True)
    jobs = requests.get(f"{stack.address}/api/v1/jobs", headers=headers, timeout=10)
    assert jobs.status_code == 401
    assert admin("metrics-token", "--renew").out.strip() != shown
    told = requests.get(f"{stack.address}/metrics", headers=headers, timeout=10)
    assert told.status_code == 401, "one of before still reads"


@pytest.fixture
def boss(database: Database, owner: UUID) -> UUID:
    """Whoever asks is an administrator."""
    with database.begin() as session:
        session.execute(update(Owner).where(Owner.id == owner).values(role="administrator"))
    return owner


def test_a_studio_is_looked_after_from_the_command_line(
    admin: Cli, boss: UUID, job_id: str, database: Database
) -> None:
    """One job of everybody's, from the list to its attempts; a queue closed and opened."""
    seen = admin("overview", "--json").document
    (slot,) = [slot for slot in seen["slots"] if not slot["silent"]]
    assert slot["vitals"]["memory_total"] > 0
    assert "QUEUE" in admin("overview").out
    listed = admin("jobs", "--owner", str(boss), "--json").document["results"]
    assert [job["id"] for job in listed] == [job_id]
    whole = admin("job", job_id, "--check").out
    assert f"attempt 1 in {slot['id']}" in whole
    assert "first step done" in admin("log", job_id).out
    assert admin("log", job_id, "--follow").out == admin("log", job_id).out
    assert admin("log", job_id, "--tail", "1").out.count("\n") == 1

    assert "paused: dust" in admin("pause-queue", "gpu", "--reason", "dust").out
    assert "paused" not in admin("resume-queue", "gpu").out
    begun = admin("maintenance", "begin", "Back at noon.")
    assert begun.out == "Under maintenance: Back at noon.\n"
    assert admin("maintenance", "end").status == 0
    assert admin("quarantine", slot["id"]).status == 2, "it needs a reason"
    rows = admin("audit", "list", "--actor", str(boss), "--json").document["results"]
    assert [row["action"] for row in rows] == [
        *("maintenance.ended", "maintenance.begun", "queue.resumed", "queue.paused")
    ]
    older = ("audit", "list", "--actor", str(boss), "--before", str(rows[1]["id"]), "--json")
    assert admin(*older).document["results"] == rows[2:]
    assert admin(*older, "--until", "1h").document["results"] == []
    checked = admin("audit", "verify")
    assert (checked.status, ": well. Head: " in checked.out) == (0, True)


def test_requeueing_many_first_says_what_it_means(admin: Cli, boss: UUID, job_id: str) -> None:
    everything = admin("requeue")
    assert (everything.status, "filter" in everything.err) == (2, True)
    dry = admin("requeue", "--owner", str(boss), "--since", "1h", "--dry-run")
    assert dry.out.startswith("0 failed jobs.")
    assert admin("requeue", "--owner", str(boss)).status == 2, "many need a reason"
    done = admin("requeue", job_id, "--json").document["results"]
    assert [job["status"] for job in done] == ["succeeded"], "only failed jobs are queued again"
