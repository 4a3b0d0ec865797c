"""States, moves, reasons and refusals: each has a meaning, none is out of reach."""

from __future__ import annotations

import re
import string

import pytest
from sqlalchemy import CheckConstraint

from engines.registry import KINDS
from jobs.listing import STATUSES
from jobs.models import Base
from jobs.refusals import _PYDANTIC, FAULTS, REFUSALS
from jobs.states import ENDED, MOVES, Reason, State, Wanted, Word
from tests.source import ROOT, python_files


@pytest.mark.parametrize("word", [*State, *Wanted, *Reason], ids=repr)
def test_every_state_wish_and_reason_has_a_meaning_of_its_own(word: Word) -> None:
    everything: list[Word] = [*State, *Wanted, *Reason]
    assert word.meaning.strip()
    assert [other for other in everything if other.meaning == word.meaning] == [word]


def test_every_move_has_a_meaning_and_leads_from_a_state_to_another() -> None:
    for (source, target), meaning in MOVES.items():
        assert isinstance(source, State)
        assert isinstance(target, State)
        assert source is not target
        assert meaning.strip()


def test_every_state_can_be_entered_and_every_one_but_success_be_left() -> None:
    entered = {target for _, target in MOVES} | {State.QUEUED}
    left = {source for source, _ in MOVES}
    assert entered == set(State)
    assert left == set(State) - {State.SUCCEEDED}


def test_an_ended_job_is_only_left_by_asking_for_another_try() -> None:
    assert {target for source, target in MOVES if source in ENDED} == {State.QUEUED}


def test_only_a_claim_makes_a_job_run() -> None:
    assert {source for source, target in MOVES if target is State.RUNNING} == {State.QUEUED}


def test_the_table_knows_the_same_states_and_wishes() -> None:
    table = Base.metadata.tables["job"]
    checks = {
        str(check.name): str(check.sqltext)
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    for name, words in (("ck_job_state", State), ("ck_job_wanted", Wanted)):
        assert set(re.findall(r"'(\w+)'", checks[name])) == set(map(str, words))


def test_every_state_can_be_asked_for_in_a_list() -> None:
    assert set(STATUSES) == {*map(str, State), "pausing", "canceling"}


@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_says_what_is_wrong_and_what_to_do_next(code: str) -> None:
    refusal = REFUSALS[code]
    assert 400 <= refusal.status < 600
    assert refusal.title.endswith(".")
    assert refusal.hint.endswith(".")
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)


@pytest.mark.parametrize("code", FAULTS)
def test_every_fault_is_told_in_a_whole_sentence(code: str) -> None:
    assert FAULTS[code].endswith((".", "%(fits)s")), "what fits is a sentence of its own"
    assert "{" not in FAULTS[code], "values are filled in with %(name)s"


def test_every_translated_fault_is_one_of_ours() -> None:
    assert {code for code, _ in _PYDANTIC.values()} <= set(FAULTS)


def test_every_refusal_and_fault_is_raised_somewhere() -> None:
    sources = "\n".join(
        path.read_text()
        for path in python_files("engines", "jobs", "webui")
        if path != ROOT / "jobs" / "refusals.py"
    )
    translated = {code for code, _ in _PYDANTIC.values()} | {"not_usable", "wrong_type"}
    unused = {code for code in {*REFUSALS, *FAULTS} - translated if f'"{code}"' not in sources}
    assert unused == set()


def test_a_kind_is_named_as_its_folder() -> None:
    for name, kind in KINDS.items():
        assert set(name) <= set(string.ascii_lowercase + "_")
        assert kind.engine.startswith(f"engines.{name}.")
        assert (ROOT / "engines" / name / "kind.py").is_file()
