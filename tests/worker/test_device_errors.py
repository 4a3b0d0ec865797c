"""A device that answers errors closes its slot, and a job that causes them closes none."""

from __future__ import annotations

from collections.abc import Callable

from atelier.answers import Job
from atelier.client import ENDED, Studio
from atelier.tokens import keep_token
from jobs import slots
from tests.chaos import battle

LEASE = 6.0
BROKEN, SOUND = "cpu:0", "cpu:1"


def commission(studio: Studio) -> str:
    """A small job."""
    content, style = (studio.upload(path)["id"] for path in battle.PICTURES)
    sizes = {"size": 64, "start_size": 64, "iterations": 3}
    params = {"content": content, "styles": [style], **sizes}
    return studio.submit("style_transfer", params)["id"]


def until(studio: Studio, job_id: str, holds: Callable[[Job], bool]) -> Job:
    """The job as soon as ``holds``."""
    return next(job for job in studio.watch(job_id) if holds(job))


def because(ground: battle.Ground) -> dict[str, str | None]:
    """Why each slot is closed."""
    with ground.database.begin() as session:
        rows = slots.listing(session)
        return {slot.name.partition("@")[0]: slot.drained_because for slot, _ in rows}


def test_a_broken_device_closes_its_slot_and_the_job_goes_elsewhere() -> None:
    """The administrator reads why, and the artist gets the picture."""
    with battle.studio(LEASE, {f"worker:{BROKEN}": "device_broken"}) as ground:
        studio = Studio(ground.stack.address, keep_token(ground.stack.settings))
        while not {BROKEN, SOUND} <= set(because(ground)):
            ground.stack.turn(0.1)
        sound = f"{SOUND}@{ground.stack.settings.machine}"
        with ground.database.begin() as session:
            slots.drain(session, sound)
        job_id = commission(studio)
        refused = until(studio, job_id, lambda job: job["reason"] == "device_error")
        assert refused["status"] == "queued"
        while because(ground)[BROKEN] is None:
            ground.stack.turn(0.1)
        assert "CUDA error: unknown" in (because(ground)[BROKEN] or "")
        with ground.database.begin() as session:
            slots.undrain(session, sound)
        ended = until(studio, job_id, lambda job: job["status"] in ENDED)
        assert ended["status"] == "succeeded"
        assert because(ground)[SOUND] is None


def test_a_job_that_breaks_sound_devices_fails_and_closes_no_slot() -> None:
    """The probe finds the device sound every time; the fifth death in one place is poison."""
    with battle.studio(LEASE, {"worker": "device_errors"}) as ground:
        studio = Studio(ground.stack.address, keep_token(ground.stack.settings))
        ended = until(studio, commission(studio), lambda job: job["status"] in ENDED)
        assert (ended["status"], ended["reason"]) == ("failed", "poisoned")
        assert set(because(ground).values()) == {None}
