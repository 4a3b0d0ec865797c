"""A run that shows no life is ended and tried again; one that says it lives may take its time."""

from __future__ import annotations

from atelier.client import Studio
from atelier.tokens import keep_token
from tests.chaos import battle

LEASE = 6.0


def test_a_silent_run_is_ended_and_a_long_step_that_pulses_is_not() -> None:
    """The first attempt hangs in a step for ever, the second is slower than silence may last."""
    with battle.studio(LEASE, {"worker": "hangs"}, slots="cpu:1") as ground:
        studio = Studio(ground.stack.address, keep_token(ground.stack.settings))
        content, style = (studio.upload(path)["id"] for path in battle.PICTURES)
        sizes = {"size": 64, "start_size": 64, "iterations": 3}
        params = {"content": content, "styles": [style], **sizes}
        job_id = studio.submit("style_transfer", params)["id"]
        *_, last = studio.watch(job_id)
        assert last["status"] == "succeeded", last
        moves = battle.stored(ground, job_id).moves
        assert [reason for _, to, reason in moves if to == "queued"] == [None, "stalled"]
