"""Rules let go of what is old, say so before, and never touch what somebody needs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, text

from jobs import service
from jobs.access import shares
from jobs.keeper import Keeper
from jobs.models import AuditRow, Checkpoint, Event, File, Frame, Job, LogChunk, Owner
from jobs.refusals import RefusedError
from jobs.settings import Settings
from jobs.states import State
from jobs.stored import retention
from jobs.stored.retention import Rule, What
from tests.commissions import Studio
from tests.jobs.stored.test_deletion import ended, order, rows


def set_rules(studio: Studio, *rules: Rule) -> None:
    with studio.database.begin() as session:
        retention.replace(session, studio.owner, rules)


def age(studio: Studio, job_id: UUID, days: int) -> None:
    with studio.database.begin() as session:
        old = text("UPDATE job SET ended_at = now() - make_interval(days => :days) WHERE id = :id")
        session.execute(old, {"days": days, "id": job_id})


def due(studio: Studio) -> dict[str, int]:
    with studio.database.snapshot() as session:
        return {str(effect.rule.what): effect.jobs for effect in retention.effects(session)}


def preview(studio: Studio, job_id: UUID) -> str | None:
    return studio.job(job_id).preview_sha256


def there(studio: Studio, job_id: UUID) -> bool:
    with studio.database.begin() as session:
        return session.get(Job, job_id) is not None


def test_each_rule_lets_go_of_its_own_and_a_dry_run_of_nothing(
    ada: Studio, tmp_path: Path, settings: Settings
) -> None:
    old, young = ended(ada, tmp_path, State.FAILED), ended(ada, tmp_path, State.FAILED)
    age(ada, old, 40)
    whats = (What.PREVIEWS, What.FRAMES, What.CHECKPOINTS, What.LOGS)
    set_rules(ada, *(Rule(what, 30) for what in whats))
    assert due(ada) == dict.fromkeys(map(str, whats), 1)
    with ada.database.snapshot() as session:
        sizes = {str(e.rule.what): e.bytes for e in retention.effects(session)}
    assert sizes["checkpoints"] == len(f"checkpoint of {old}")
    assert sizes["logs"] == len(b"one line\n")
    assert preview(ada, old) is not None
    Keeper(ada.database, ada.storage, lambda _: None, settings).sweep()
    assert preview(ada, old) is None
    assert preview(ada, young) is not None
    for table in (Frame, Checkpoint, LogChunk):
        assert (rows(ada.database, table, old), rows(ada.database, table, young)) == (0, 1)
    assert due(ada) == dict.fromkeys(map(str, whats), 0)
    with ada.database.begin() as session:
        told = session.scalars(select(Event.data).where(Event.type == "retired")).all()
    assert {data["what"] for data in told} == set(map(str, whats))


def test_works_go_whole_but_the_newest_stay(ada: Studio, tmp_path: Path) -> None:
    made = [ended(ada, tmp_path) for _ in range(4)]
    for days, job_id in zip((40, 30, 20, 10), made, strict=True):
        age(ada, job_id, days)
    set_rules(ada, Rule(What.WORKS, 15, keep=2))
    assert due(ada) == {"works": 2}
    assert retention.apply(ada.database) == {What.WORKS: 2}
    assert [there(ada, job_id) for job_id in made] == [False, False, True, True]
    with ada.database.begin() as session:
        actors = session.scalars(
            select(AuditRow.actor).where(AuditRow.action == "job.deleted")
        ).all()
    assert list(actors) == ["keeper", "keeper"]


def test_what_runs_rests_or_is_needed_is_never_touched(ada: Studio, tmp_path: Path) -> None:
    needed = ended(ada, tmp_path)
    with ada.database.begin() as session:
        work = session.scalars(select(File.id).where(File.job_id == needed)).one()
    waiting = order(ada, str(work))
    other = order(ada)
    age(ada, needed, 400)
    with ada.database.begin() as session:
        session.execute(text("UPDATE job SET created_at = 'epoch', queued_at = 'epoch'"))
    set_rules(ada, *(Rule(what, 0) for what in What))
    retention.apply(ada.database)
    assert [there(ada, job_id) for job_id in (needed, waiting, other)] == [True, True, True]
    # Its work is needed, its preview is not.
    assert preview(ada, needed) is None
    assert rows(ada.database, File, needed) == 1


def test_what_may_not_go_does_not_stand_before_what_may(ada: Studio, tmp_path: Path) -> None:
    needed, shared, free = (ended(ada, tmp_path) for _ in range(3))
    for days, job_id in zip((40, 30, 20), (needed, shared, free), strict=True):
        age(ada, job_id, days)
    with ada.database.begin() as session:
        works = {row.job_id: row.id for row in session.scalars(select(File))}
    order(ada, str(works[needed]))
    with ada.database.begin() as session:
        shares.make(session, ada.owner, works[shared], days=7, recipe=False)
    set_rules(ada, Rule(What.WORKS, 10))
    assert due(ada) == {"works": 1}
    assert retention.apply(ada.database, most=1) == {What.WORKS: 1}
    assert [there(ada, job_id) for job_id in (needed, shared, free)] == [True, True, False]


def test_checkpoints_of_a_resting_job_stay(ada: Studio, tmp_path: Path) -> None:
    job_id = ended(ada, tmp_path, State.FAILED)
    ada.ask(service.retry, job_id)
    ada.ask(service.pause, job_id)
    set_rules(ada, *(Rule(what, 0) for what in What))
    retention.apply(ada.database)
    assert rows(ada.database, Checkpoint, job_id) == 1
    assert preview(ada, job_id) is not None


def test_a_persons_own_rule_replaces_everybodys(ada: Studio, ben: Studio, tmp_path: Path) -> None:
    hers, his = ended(ada, tmp_path), ended(ben, tmp_path)
    for studio, job_id in ((ada, hers), (ben, his)):
        age(studio, job_id, 40)
    with ada.database.begin() as session:
        name = session.get_one(Owner, ada.owner).name
    set_rules(ada, Rule(What.PREVIEWS, 30), Rule(What.PREVIEWS, 300, owner=name))
    retention.apply(ada.database)
    assert preview(ada, hers) is not None
    assert preview(ben, his) is None


def test_wrong_rules_are_refused_by_name_and_changes_are_written_down(ada: Studio) -> None:
    with pytest.raises(RefusedError) as told:
        set_rules(
            ada,
            Rule(What.LOGS, -1),
            Rule(What.LOGS, 3, owner="nobody"),
            Rule(What.FRAMES, 3, keep=-2),
            Rule(What.FRAMES, 4),
        )
    faults = [(fault.pointer, fault.code) for fault in told.value.faults]
    assert faults == [
        ("/rules/0/days", "out_of_range"),
        ("/rules/1/owner", "unknown_person"),
        ("/rules/2/keep", "out_of_range"),
        ("/rules/3", "said_twice"),
    ]
    set_rules(ada, Rule(What.LOGS, 3))
    set_rules(ada, Rule(What.LOGS, 3))
    with ada.database.begin() as session:
        row = session.scalars(select(AuditRow).where(AuditRow.action == "retention.changed")).one()
    assert row.before == {"rules": []}
    assert row.after == {"rules": [{"what": "logs", "days": 3, "keep": 0, "owner": None}]}


def test_rules_name_people_in_any_case_and_each_once(ada: Studio) -> None:
    with ada.database.begin() as session:
        session.get_one(Owner, ada.owner).name = "Ada"
    set_rules(ada, Rule(What.LOGS, 3, owner="ADA"))
    with ada.database.begin() as session:
        assert retention.rules(session) == [Rule(What.LOGS, 3, owner="Ada")]
    with pytest.raises(RefusedError) as told:
        set_rules(ada, Rule(What.LOGS, 3, owner="Ada"), Rule(What.LOGS, 4, owner="ada"))
    assert [fault.code for fault in told.value.faults] == ["said_twice"]


def test_two_who_set_the_rules_at_once_both_do(ada: Studio) -> None:
    with ThreadPoolExecutor(4) as at_once:
        list(at_once.map(lambda days: set_rules(ada, Rule(What.LOGS, days)), range(12)))
    with ada.database.begin() as session:
        assert len(retention.rules(session)) == 1


def test_all_that_would_go_is_counted_and_what_goes_next_is_weighed(
    ada: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are due, looking at them stays cheap."""
    for _ in range(3):
        age(ada, ended(ada, tmp_path, State.FAILED), 40)
    set_rules(ada, Rule(What.LOGS, 30))
    monkeypatch.setattr(retention, "AT_A_TIME", 2)
    with ada.database.snapshot() as session:
        (effect,) = retention.effects(session)
    assert (effect.jobs, effect.weighed, effect.bytes) == (3, 2, 2 * len(b"one line\n"))
