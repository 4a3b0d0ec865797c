"""A job's way through a real worker, undisturbed and disturbed."""

from __future__ import annotations

import os
import select
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy
from PIL import Image

from atelier.local import Stack
from engines import pictures
from jobs import service, slots
from jobs.database import Database
from jobs.ids import new_id
from jobs.models import Checkpoint, Job, Owner, Slot
from jobs.settings import Settings
from jobs.storage import Storage, digest
from tests.commissions import Studio, tiny

STEPS = 120


@pytest.fixture(scope="module")
def studio(settings: Settings, database: Database, storage: Storage) -> Studio:
    """Somebody with a photo and a painting."""
    owner = new_id()
    with database.begin() as session:
        session.add(Owner(id=owner, name=str(owner)))
    return Studio(settings, database, storage, owner)


@pytest.fixture(scope="module")
def params(studio: Studio, photo: Path, painting: Path) -> dict[str, Any]:
    """A run long enough to be disturbed, with checkpoints on its way."""
    return tiny(studio.upload(photo), studio.upload(painting), STEPS)


@pytest.fixture(scope="module")
def undisturbed(studio: Studio, params: dict[str, Any]) -> str:
    """SHA-256 of the result of a run that nobody disturbed."""
    job = studio.wait_for_end(studio.submit(params))
    assert job.state == "succeeded"
    return studio.outputs(job.id)[0].sha256


def saved_once(studio: Studio, job_id: UUID) -> Job:
    """The running job, as soon as a checkpoint of it is committed."""

    def saved(job: Job) -> bool:
        with studio.database.begin() as session:
            query = sqlalchemy.select(Checkpoint.id).where(Checkpoint.job_id == job_id).limit(1)
            committed = session.execute(query).first() is not None
        return job.state == "running" and committed

    return studio.wait(job_id, until=saved)


def runner_of(studio: Studio, job_id: UUID) -> int:
    """Process id of the runner that holds the job's lock."""
    return int((studio.settings.scratch / str(job_id) / "lock").read_text())


def is_alive(pid: int) -> bool:
    """Whether a process still runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_finished_job_has_a_picture_with_its_recipe_inside(
    studio: Studio, params: dict[str, Any], undisturbed: str, tmp_path: Path
) -> None:
    """Kind, parameters, input hashes and networks travel with the picture."""
    studio.storage.fetch(undisturbed, tmp_path / "result.png")
    recipe = pictures.read_recipe(tmp_path / "result.png")
    assert recipe is not None
    assert recipe["kind"] == "style_transfer"
    assert {name: recipe["params"][name] for name in params} == params
    assert set(recipe["inputs"]) == {params["content"], *params["styles"]}
    assert recipe["network"]["sha256"]
    assert pictures.open_rgb(tmp_path / "result.png").size == (64, 43)


def test_a_job_whose_runner_is_killed_goes_on_and_ends_bit_identical(
    studio: Studio, params: dict[str, Any], undisturbed: str
) -> None:
    """The kill costs one attempt and not one bit."""
    job_id = studio.submit(params)
    saved_once(studio, job_id)
    os.kill(runner_of(studio, job_id), signal.SIGKILL)
    job = studio.wait_for_end(job_id)
    assert job.state == "succeeded"
    assert job.attempt == 2
    assert job.resumed_from_step
    assert studio.moves(job_id) == [
        (None, "queued", None),
        ("queued", "running", None),
        ("running", "queued", "worker_lost"),
        ("queued", "running", None),
        ("running", "succeeded", None),
    ]
    assert studio.outputs(job_id)[0].sha256 == undisturbed


def test_a_stopped_worker_saves_its_job_which_ends_bit_identical_elsewhere(
    stack: Stack, studio: Studio, params: dict[str, Any], undisturbed: str
) -> None:
    """SIGTERM means: checkpoint, back to the queue, gone."""
    job_id = studio.submit(params)
    studio.wait(job_id, until=lambda job: job.progress.get("step", 0) > 5)
    runner = runner_of(studio, job_id)
    stack.restart("worker")
    assert not is_alive(runner)
    job = studio.wait_for_end(job_id)
    assert ("running", "queued", "worker_stopped") in studio.moves(job_id)
    assert job.resumed_from_step
    assert studio.outputs(job_id)[0].sha256 == undisturbed


def test_a_killed_worker_takes_its_runner_along_and_its_successor_puts_the_job_back(
    stack: Stack, studio: Studio, params: dict[str, Any], undisturbed: str
) -> None:
    """Nobody computes for a dead supervisor, and nobody waits for its lease."""
    job_id = studio.submit(params)
    saved_once(studio, job_id)
    runner = os.pidfd_open(runner_of(studio, job_id))
    os.kill(stack.named("worker")[0].pid, signal.SIGKILL)
    ended, _, _ = select.select([runner], [], [], 20.0)
    os.close(runner)
    assert ended, "the runner outlived its worker"
    stack.restart("worker")
    job = studio.wait_for_end(job_id)
    assert ("running", "queued", "worker_lost") in studio.moves(job_id)
    assert job.state == "succeeded"
    assert studio.outputs(job_id)[0].sha256 == undisturbed


def test_a_canceled_job_is_canceled_only_when_its_process_is_gone(
    studio: Studio, params: dict[str, Any]
) -> None:
    """Until then its status is ``canceling``; no output appears."""
    job_id = studio.submit(params)
    studio.wait(job_id, until=lambda job: job.progress.get("step", 0) > 5)
    runner = runner_of(studio, job_id)
    assert service.shown_status(studio.ask(service.cancel, job_id)) == "canceling"
    job = studio.wait_for_end(job_id)
    assert not is_alive(runner)
    assert (job.state, job.reason) == ("canceled", "canceled_by_user")
    assert studio.outputs(job_id) == []


def test_a_paused_job_frees_its_process_and_resumes_bit_identical(
    studio: Studio, params: dict[str, Any], undisturbed: str
) -> None:
    """Pause is a checkpoint and an end; resume is a claim like any other."""
    job_id = studio.submit(params)
    studio.wait(job_id, until=lambda job: job.progress.get("step", 0) > 5)
    runner = runner_of(studio, job_id)
    studio.ask(service.pause, job_id)
    paused = studio.wait(job_id, until=lambda job: job.state == "paused")
    assert not is_alive(runner)
    assert paused.lease_until is None
    studio.ask(service.resume, job_id)
    job = studio.wait_for_end(job_id)
    assert job.resumed_from_step
    assert studio.outputs(job_id)[0].sha256 == undisturbed


def test_a_canceled_job_can_be_tried_again_from_its_checkpoint(
    studio: Studio, params: dict[str, Any], undisturbed: str
) -> None:
    """Retry keeps what was saved; the picture is the same."""
    job_id = studio.submit(params)
    saved_once(studio, job_id)
    studio.ask(service.cancel, job_id)
    studio.wait_for_end(job_id)
    studio.ask(service.retry, job_id)
    job = studio.wait_for_end(job_id)
    assert job.state == "succeeded"
    assert job.resumed_from_step
    assert studio.outputs(job_id)[0].sha256 == undisturbed


def test_what_the_engine_refuses_fails_the_job_and_names_the_field(
    studio: Studio, params: dict[str, Any]
) -> None:
    """A network whose weights are not here is bad input, not an accident."""
    job = studio.wait_for_end(studio.submit({**params, "features": "vgg19"}))
    assert (job.state, job.reason) == ("failed", "bad_input")
    assert job.error is not None
    assert job.error["pointer"] == "/features"
    assert job.error["hint"]


def test_no_scratch_is_left_when_jobs_have_ended(studio: Studio, params: dict[str, Any]) -> None:
    """Attempts clean up after themselves."""
    job_id = studio.submit({**params, "iterations": 2})
    studio.wait_for_end(job_id)
    follower = studio.submit({**params, "iterations": 1})
    studio.wait_for_end(follower)
    assert not (studio.settings.scratch / str(job_id)).exists()


def test_a_runner_holds_no_credentials(studio: Studio, params: dict[str, Any]) -> None:
    """Neither the database's nor the broker's address reaches the child process."""
    job_id = studio.submit(params)
    studio.wait(job_id, until=lambda job: job.progress.get("step", 0) > 0)
    environment = Path(f"/proc/{runner_of(studio, job_id)}/environ").read_bytes()
    assert b"postgresql" not in environment
    assert b"redis" not in environment
    studio.ask(service.cancel, job_id)
    studio.wait_for_end(job_id)


def test_a_storage_that_is_away_costs_waiting_and_is_no_death_of_the_job(
    studio: Studio, params: dict[str, Any], tmp_path: Path
) -> None:
    """The job goes back to the queue until its input can be read again."""
    content, stored = own_picture(studio, tmp_path / "away.png", "plum")
    kept = stored.rename(tmp_path / "kept")
    stored.mkdir()
    job_id = studio.submit({**params, "content": content, "iterations": 1})
    studio.wait(job_id, until=lambda job: job.reason == "storage_away")
    stored.rmdir()
    kept.rename(stored)
    job = studio.wait_for_end(job_id)
    assert (job.state, job.deaths) == ("succeeded", 0)


def test_a_damaged_input_fails_the_job_at_once(
    studio: Studio, params: dict[str, Any], tmp_path: Path
) -> None:
    """What no longer hashes right is never handed to an engine."""
    content, stored = own_picture(studio, tmp_path / "damaged.png", "olive")
    stored.write_bytes(stored.read_bytes()[:-1])
    job = studio.wait_for_end(studio.submit({**params, "content": content}))
    assert (job.state, job.reason, job.attempt) == ("failed", "internal_error", 1)


def own_picture(studio: Studio, path: Path, colour: str) -> tuple[str, Path]:
    """The id of a new picture, and the file it is stored in."""
    path.write_bytes(pictures.encode_png(Image.new("RGB", (96, 64), colour)))
    id_, sha256 = studio.upload(path), digest(path)
    return id_, Path(studio.settings.storage) / sha256[:2] / sha256


def test_a_run_at_its_deadline_fails_and_a_retry_goes_on_from_where_it_was(
    studio: Studio, params: dict[str, Any], undisturbed: str
) -> None:
    """Bit for bit, because the run is saved before it leaves."""
    job_id = studio.submit(params, deadline_at=datetime.now(UTC) + timedelta(seconds=3))
    ended = studio.wait_for_end(job_id)
    assert (ended.state, ended.reason) == ("failed", "timed_out")
    assert ended.progress["step"] > 0
    studio.ask(service.retry, job_id)
    assert studio.wait_for_end(job_id).state == "succeeded"
    assert studio.job(job_id).resumed_from_step
    assert studio.outputs(job_id)[0].sha256 == undisturbed


def test_a_drained_slot_finishes_its_run_and_takes_no_other(
    studio: Studio, params: dict[str, Any]
) -> None:
    """Until it is undrained."""
    first = studio.submit(params)
    name = studio.wait(first, until=lambda job: job.state == "running").slot
    assert name
    with studio.database.begin() as session:
        slots.drain(session, name)
    second = studio.submit(params)
    assert studio.wait_for_end(first).state == "succeeded"

    def rests() -> bool:
        with studio.database.begin() as session:
            row = session.get(Slot, name)
            return bool(row and row.standby and row.beat_at > since)

    since = studio.job(first).ended_at or datetime.max.replace(tzinfo=UTC)
    studio.wait(second, until=lambda _: rests())
    assert studio.job(second).state == "queued"
    with studio.database.begin() as session:
        slots.undrain(session, name)
    studio.wait(second, until=lambda job: job.state == "running")
    studio.ask(service.cancel, second)
    studio.wait_for_end(second)
