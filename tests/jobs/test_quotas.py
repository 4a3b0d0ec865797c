"""What one person may have: limits hold where jobs are claimed, submitted and kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, event, func, insert, select

from jobs import lease, quotas, service
from jobs.access import people
from jobs.access.roles import Role
from jobs.database import Database
from jobs.ids import new_id
from jobs.lease import Claim
from jobs.models import GpuUse, Owner, OwnerShare, Slot
from jobs.refusals import RefusedError
from jobs.states import Reason, State
from tests.commissions import Studio, tiny

STUDIO_LIMIT = 2


def order(person: Studio) -> UUID:
    picture = person.ids[Path("photo")]
    return person.submit(tiny(picture, picture, 1))


def claim(database: Database, resource: str = "cpu", gpu_hours: float = 0.0) -> Claim | None:
    with database.begin() as session:
        return lease.claim(session, f"{resource}:0@test", resource, 60, STUDIO_LIMIT, gpu_hours)


def change(database: Database, person: Studio, **limits: Any) -> None:
    with database.begin() as session:
        people.change_limits(session, person.owner, limits, by="console")


@pytest.fixture
def gpu(workshop: Database) -> None:
    """A slot with a GPU: jobs that may run anywhere go there."""
    slot = {"name": "gpu:0@test", "machine": "test", "resource": "gpu", "device": "GPU-0"}
    with workshop.begin() as session:
        session.execute(insert(Slot).values(**slot, beat_at=func.now()))


def used(database: Database, person: Studio, *days: tuple[int, float]) -> None:
    """This person used a GPU, so many days ago, for so many hours."""
    today = datetime.now(UTC).date()
    with database.begin() as session:
        for ago, hours in days:
            row = {"owner_id": person.owner, "day": today - timedelta(days=ago)}
            session.execute(insert(GpuUse).values(**row, seconds=hours * 3600))


@pytest.mark.parametrize(("own", "ran"), [(1, 1), (3, 3), (None, STUDIO_LIMIT)])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_running_limit_of_ones_own_outranks_the_studios(
    workshop: Database, ada: Studio, own: int | None, ran: int, when: str
) -> None:
    if when == "before":
        change(workshop, ada, running_limit=own)
    for _ in range(4):
        order(ada)
    if when == "after":
        change(workshop, ada, running_limit=own)
    claims = [claim(workshop) for _ in range(5)]
    assert sum(found is not None for found in claims) == ran


def test_whose_limit_is_reached_holds_back_nobody_else(
    workshop: Database, ada: Studio, ben: Studio
) -> None:
    change(workshop, ada, running_limit=1)
    for person in (ada, ada, ben):
        order(person)
    owners = [found.owner_id for _ in range(3) if (found := claim(workshop)) is not None]
    assert sorted(owners) == sorted([ada.owner, ben.owner])


@pytest.mark.usefixtures("gpu")
def test_a_run_on_a_gpu_is_counted_and_one_on_a_cpu_is_not(workshop: Database, ada: Studio) -> None:
    def run(resource: str, seconds: float) -> None:
        order(ada)
        found = claim(workshop, resource)
        assert found is not None
        with workshop.begin() as session:
            lease.stop(session, found.hold, State.PAUSED, Reason.DISK_FULL, seconds)

    run("gpu", 1800)
    run("gpu", 5400)
    with workshop.begin() as session:
        session.execute(delete(Slot))
    run("cpu", 9000)
    with workshop.begin() as session:
        assert quotas.use(session, people.get(session, ada.owner), ada.settings).gpu_hours == 2.0


@pytest.mark.usefixtures("gpu")
def test_who_has_used_up_their_gpu_hours_waits_until_they_are_a_week_old(
    workshop: Database, ada: Studio, ben: Studio
) -> None:
    waiting, _ = order(ada), order(ben)
    used(workshop, ada, (6, 3.0), (2, 2.0), (0, 4.0), (8, 100.0))
    change(workshop, ada, gpu_hours_limit=6.0)
    found = claim(workshop, "gpu")
    assert found is not None
    assert found.owner_id == ben.owner
    assert claim(workshop, "gpu") is None
    with workshop.begin() as session:
        use = quotas.use(session, people.get(session, ada.owner), ada.settings)
        share = select(OwnerShare.rest_until).where(OwnerShare.owner_id == ada.owner)
        rests_until = session.execute(share).scalar_one()
    # The three hours of six days ago count no more after tonight; the six that remain are the
    # limit, so those of two days ago must pass too.
    midnight = datetime.combine(datetime.now(UTC).date() + timedelta(days=5), time(), UTC)
    assert (use.gpu_hours, use.gpu_rest_until, rests_until) == (9.0, midnight, midnight)
    with pytest.raises(RefusedError, match="gpu_hours_used") as refused:
        order(ada)
    assert refused.value.values["used"] == "9.0"
    assert refused.value.values["limit"] == "6"
    change(workshop, ada, gpu_hours_limit=20.0)
    again = claim(workshop, "gpu")
    assert again is not None
    assert again.hold.job_id == waiting


@pytest.mark.usefixtures("gpu")
def test_two_slots_that_find_used_up_hours_at_once_do_not_wait_for_each_other(
    workshop: Database, ada: Studio, ben: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in (ada, ben):
        order(person)
        used(workshop, person, (0, 5.0))
    both = threading.Barrier(2)
    asked: set[int] = set()

    def rests(*given: Any) -> bool:
        found = quotas.rests(*given)
        if threading.get_ident() not in asked:
            asked.add(threading.get_ident())
            both.wait(timeout=30)  # each holds one share now
        return found

    monkeypatch.setattr(lease, "quotas", SimpleNamespace(rests=rests))
    with ThreadPoolExecutor(2) as claimers:
        found = [claimers.submit(claim, workshop, "gpu", 4.0) for _ in range(2)]
        assert [each.result() for each in found] == [None, None]


@pytest.mark.usefixtures("gpu")
def test_the_studios_gpu_hours_hold_for_who_has_no_limit_of_their_own(
    workshop: Database, ada: Studio, ben: Studio
) -> None:
    order(ada)
    order(ben)
    used(workshop, ada, (0, 5.0))
    used(workshop, ben, (0, 5.0))
    change(workshop, ben, gpu_hours_limit=0.0)
    found = claim(workshop, "gpu", gpu_hours=4.0)
    assert found is not None
    assert found.owner_id == ben.owner
    assert claim(workshop, "gpu", gpu_hours=4.0) is None


def test_nothing_of_a_closed_account_is_started_and_what_runs_finishes(
    workshop: Database, ada: Studio, ben: Studio
) -> None:
    order(ada)
    order(ada)
    running = claim(workshop)
    assert running is not None
    with workshop.begin() as session:
        people.disable(session, ada.owner, by="console")
    assert claim(workshop) is None
    with workshop.begin() as session:
        lease.finish(session, running.hold, [], 1.0)
        assert service.get(session, ada.owner, running.hold.job_id).state == State.SUCCEEDED
    change(workshop, ada, running_limit=9)
    assert claim(workshop) is None, "another limit has opened a closed account"
    with workshop.begin() as session:
        people.enable(session, ada.owner, by="console")
    assert claim(workshop) is not None


def test_the_last_administrator_stays_one(workshop: Database) -> None:
    def administrator(name: str) -> UUID:
        id_ = new_id()
        with workshop.begin() as session:
            row = {"id": id_, "name": name, "role": str(Role.ADMINISTRATOR)}
            session.execute(insert(Owner).values(row))
        return id_

    first, second = administrator("first"), administrator("second")
    with workshop.begin() as session:
        people.change_role(session, first, "artist", by=second)
    with pytest.raises(RefusedError, match="last_administrator"), workshop.begin() as session:
        people.disable(session, second, by=second)
    with pytest.raises(RefusedError, match="last_administrator"), workshop.begin() as session:
        people.change_role(session, second, "artist", by=second)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("running_limit", 0),
        ("waiting_limit", -1),
        ("disk_limit", 10**16),
        ("gpu_hours_limit", -0.5),
        ("running_limit", 1.5),
        ("gpu_hours_limit", float("nan")),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(
    workshop: Database, ada: Studio, name: str, value: float
) -> None:
    with pytest.raises(RefusedError) as refused:
        change(workshop, ada, **{name: value})
    assert [fault.pointer for fault in refused.value.faults] == [f"/{name}"]


def test_what_everybody_has_is_asked_in_as_few_questions_as_what_one_has(
    workshop: Database, ada: Studio, ben: Studio
) -> None:
    order(ada)
    order(ada)
    order(ben)
    used(workshop, ada, (1, 3.0))
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    with workshop.begin() as session:
        one, both = [people.get(session, ada.owner)], people.everybody(session)
        alone = {owner.id: quotas.use(session, owner, ada.settings) for owner in both}
        event.listen(workshop.engine, "before_cursor_execute", note)
        try:
            quotas.uses(session, one, ada.settings)
            of_one = len(asked)
            together = quotas.uses(session, both, ada.settings)
        finally:
            event.remove(workshop.engine, "before_cursor_execute", note)
    assert together == alone
    assert (together[ada.owner].waiting, together[ben.owner].waiting) == (2, 1)
    assert (together[ada.owner].gpu_hours, together[ben.owner].gpu_hours) == (3.0, 0.0)
    assert together[ben.owner].disk_bytes == 1
    assert len(asked) == 2 * of_one
