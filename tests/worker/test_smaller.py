"""A picture that does not fit into memory as a whole is made in smaller pieces, by itself."""

from __future__ import annotations

from atelier.client import Studio
from atelier.tokens import keep_token
from jobs.office.verify import Verifier
from tests.chaos import battle, switches

LEASE = 6.0


def commission(studio: Studio, **sizes: int) -> str:
    """One step at one scale."""
    content, style = (studio.upload(path)["id"] for path in battle.PICTURES)
    params = {"content": content, "styles": [style], "style_scale": 0.25, "iterations": 1, **sizes}
    return studio.submit("style_transfer", params)["id"]


def test_what_does_not_fit_as_a_whole_is_made_in_smaller_pieces() -> None:
    """The kernel really refuses the memory; the artist sees why it began again, and a picture."""
    with battle.studio(LEASE, {"worker": "little_memory"}, slots="cpu:1") as ground:
        studio = Studio(ground.stack.address, keep_token(ground.stack.settings))
        side = switches.TOO_LARGE
        job_id = commission(studio, size=side, start_size=side)
        seen = list(studio.watch(job_id))
        assert seen[-1]["status"] == "succeeded", seen[-1]
        moves = battle.stored(ground, job_id).moves
        assert ("running", "queued", "smaller_pieces") in moves
        assert [to for _, to, _ in moves].count("running") == 2
        assert list(Verifier(ground.database, ground.storage).findings()) == []


def test_what_fits_in_no_pieces_fails_and_says_what_would_fit() -> None:
    """Its first sketch, of 65 px, was done before memory ran out, in both attempts."""
    with battle.studio(LEASE, {"worker": "memory_errors"}, slots="cpu:1") as ground:
        studio = Studio(ground.stack.address, keep_token(ground.stack.settings))
        job_id = commission(studio, size=92, start_size=64)
        *_, last = studio.watch(job_id)
        assert (last["status"], last["reason"]) == ("failed", "out_of_memory")
        told = last["error"] or {}
        assert told["pointer"] == "/size"
        assert "size = 65" in told["detail"]
        reasons = [reason for _, _, reason in battle.stored(ground, job_id).moves]
        assert reasons.count("smaller_pieces") == 1
