"""The audit log: written with the change, never changed, and whatever changes it is found."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import delete, insert, text, update
from sqlalchemy.exc import ProgrammingError

from jobs.database import Database
from jobs.keeper import Keeper
from jobs.models import AuditRow, AuditSeal
from jobs.office.verify import Verifier
from jobs.records import audit
from jobs.records.audit import Action
from jobs.storage import Storage
from tests.commissions import Studio


def written(database: Database, by: UUID | str, *targets: str) -> None:
    """A change of each target, all in one transaction."""
    with database.begin() as session:
        for target in targets:
            audit.record(
                session,
                by,
                Action.SLOT_DRAINED,
                target,
                reason="风扇 replaced",
                before={"drained": False},
                after={"drained": True, "since": 1.5},
            )


def sealed(database: Database) -> AuditSeal | None:
    with database.begin() as session:
        return audit.seal(session)


def checked(database: Database, head: str = "") -> audit.Checked:
    with database.snapshot() as session:
        return audit.check(session, head)


def found(database: Database) -> list[tuple[str, str]]:
    return [(wrong.subject, wrong.words) for wrong in checked(database).wrong]


@pytest.fixture
def log(workshop: Database, ada: Studio) -> Database:
    """Two seals of two rows, and a row that is not sealed yet."""
    with workshop.begin() as session:
        session.execute(text("ALTER TABLE audit ALTER COLUMN id RESTART"))
    for targets in (("a", "b"), ("c", "d")):
        written(workshop, ada.owner, *targets)
        assert sealed(workshop) is not None
    written(workshop, "keeper", "e")
    return workshop


def test_a_row_tells_who_changed_what_and_why(log: Database, ada: Studio) -> None:
    with log.begin() as session:
        newest, *_, first = audit.page(session, audit.Filter(), 10)
    assert (newest.actor, newest.actor_id) == ("keeper", None)
    assert (first.actor, first.actor_id) == (str(ada.owner), ada.owner)
    assert (first.action, first.target, first.reason) == ("slot.drained", "a", "风扇 replaced")
    assert (first.before, first.after) == ({"drained": False}, {"drained": True, "since": 1.5})


def test_a_change_that_is_rolled_back_leaves_no_row(log: Database) -> None:
    def fail() -> None:
        with log.begin() as session:
            audit.record(session, "keeper", Action.SLOT_DRAINED, "f")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert checked(log).rows == 5


def test_rows_are_found_by_actor_action_and_target(log: Database) -> None:
    def targets(actor: str = "", action: str = "", target: str = "") -> str:
        wanted = audit.Filter(actor, action, target)
        with log.begin() as session:
            return "".join(row.target for row in audit.page(session, wanted, 10))

    assert targets() == "edcba"
    assert targets(actor="keeper") == "e"
    assert targets(target="c") == "c"
    assert targets(action="slot") == targets(action="slot.drained") == "edcba"
    assert targets(action="job") == targets(action="slo") == ""


def test_a_whole_log_is_found_whole(log: Database) -> None:
    whole = checked(log)
    assert (whole.rows, whole.seals, whole.unsealed, whole.wrong) == (5, 2, 1, ())
    assert sealed(log) is not None
    assert checked(log, whole.head).unsealed == 0
    assert sealed(log) is None, "an empty batch was sealed"


def test_nothing_is_sealed_while_a_row_is_being_written(log: Database) -> None:
    """Else its lower number could appear among rows that are sealed already."""
    with log.begin() as session:
        audit.record(session, "keeper", Action.SLOT_DRAINED, "late")
        assert sealed(log) is None
    assert sealed(log) is not None
    assert checked(log).wrong == ()


@pytest.mark.parametrize(
    "change", [{"reason": "none"}, {"actor": "ben"}, {"after": {"drained": False}}]
)
def test_a_changed_row_is_found(log: Database, change: dict[str, object]) -> None:
    with log.begin() as session:
        session.execute(update(AuditRow).where(AuditRow.id == 2).values(**change))
    assert found(log) == [("audit row 2", "it was changed after it was sealed")]


def test_a_removed_row_is_found(log: Database) -> None:
    with log.begin() as session:
        session.execute(delete(AuditRow).where(AuditRow.id == 3))
    assert found(log) == [("audit row 3", "it was removed after it was sealed")]


def test_a_row_put_in_later_is_found(log: Database) -> None:
    with log.begin() as session:
        session.execute(
            text(
                "INSERT INTO audit (id, actor, action, target) OVERRIDING SYSTEM VALUE"
                " VALUES (0, 'ben', 'slot.drained', 'z')"
            )
        )
    assert found(log) == [("audit row 0", "it was put in after its neighbours were sealed")]


def test_a_change_hidden_in_its_seal_breaks_the_chain(log: Database) -> None:
    with log.begin() as session:
        session.execute(update(AuditRow).where(AuditRow.id == 2).values(reason="none"))
        row = session.get_one(AuditRow, 2)
        seal = session.get_one(AuditSeal, 1)
        digests = {**seal.digests, "2": audit._digest(row)}
        forged = {"digests": digests, "hash": audit._chained(seal.previous, digests)}
        session.execute(update(AuditSeal).where(AuditSeal.number == 1).values(**forged))
    assert found(log) == [("audit seal 2", "it does not follow from the seal before it")]


def test_a_removed_seal_is_found_and_a_removed_end_by_a_head_written_down(log: Database) -> None:
    head = checked(log).head
    with log.begin() as session:
        first = session.get_one(AuditSeal, 1)
        session.execute(delete(AuditSeal).where(AuditSeal.number == 1))
    assert ("audit seal 2", "seal 1 was due: what stood between is gone") in found(log)
    with log.begin() as session:
        values = {"number": 1, "last_id": first.last_id, "digests": first.digests}
        hashes = {"previous": first.previous, "hash": first.hash}
        session.execute(insert(AuditSeal).values(**values, **hashes))
        session.execute(delete(AuditSeal).where(AuditSeal.number == 2))
    assert checked(log).wrong == ()
    (gone,) = checked(log, head).wrong
    assert head in gone.words


def test_the_keeper_seals_and_verify_looks(log: Database, ada: Studio, shelf: Storage) -> None:
    Keeper(log, shelf, lambda _: None, ada.settings).seal_audit()
    assert checked(log).unsealed == 0
    assert [found for found in Verifier(log, shelf).findings() if found.check == "audit"] == []
    with log.begin() as session:
        session.execute(delete(AuditRow).where(AuditRow.id == 5))
    (finding,) = [found for found in Verifier(log, shelf).findings() if found.check == "audit"]
    assert (finding.subject, "removed" in finding.wrong) == ("audit row 5", True)


@pytest.mark.parametrize("table", ["audit", "audit_seal"])
@pytest.mark.parametrize("change", ["UPDATE {} SET at = now()", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_database_refuses_to_change_the_log(
    database: Database, table: str, change: str
) -> None:
    """In a migrated database; the tables of other tests are made without the triggers."""
    with pytest.raises(ProgrammingError, match="only grows"), database.begin() as session:
        session.execute(text(change.format(table)))
