"""``atelier demo``: one picture from nothing, through the HTTP API like any client."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atelier.cli.shown import Bar, trouble
from atelier.client import ENDED, Studio
from atelier.errors import StudioError
from atelier.folders import read_private
from atelier.local import Say, Stack
from atelier.up import serving

if TYPE_CHECKING:
    from atelier.answers import Job
    from jobs.settings import Settings

SAMPLES = Path(__file__).parent / "samples"
PHOTO = SAMPLES / "photos" / "cat.jpg"
PAINTING = SAMPLES / "paintings" / "van-gogh-cafe-terrace-at-night.jpg"
RESULT = Path("demo") / "stylized.png"
# A slow machine may take long; one that shows no step for this long is stuck.
SILENCE_SECONDS = 300.0
LOOK_SECONDS = 0.5


def demo(settings: Settings, say: Say) -> dict[str, Any]:
    """Start the stack, make a picture, save it, stop; what came of it."""
    say("Starting the studio.")
    with serving(settings, say) as stack:
        say(f"Studio: {stack.address}")
        token = read_private(stack.settings.token_file) or ""
        studio = Studio(stack.address, token)
        say(f"Painting {PHOTO.stem} in the manner of {PAINTING.stem}.")
        job = _follow(stack, studio, _submit(studio)["id"])
        page = f"{stack.address}{job['urls']['page']}"
        saved = None
        if job["status"] == "succeeded":
            saved = str(studio.download(job["outputs"][0], RESULT))
            say(f"saved: {saved}")
        for line in trouble(job):
            say(line)
        say(f"job page: {page}")
    say("Stopped. See the page with: make up")
    return {"status": job["status"], "job": job["id"], "page": page, "saved": saved}


def _submit(studio: Studio) -> Job:
    photo, painting = studio.upload(PHOTO), studio.upload(PAINTING)
    params = {"content": photo["id"], "styles": [painting["id"]], "preset": "draft"}
    return studio.submit("style_transfer", params, tags=["demo"])


def _follow(stack: Stack, studio: Studio, job_id: str) -> Job:
    """Show the progress and keep the stack alive until the job has ended."""
    bar, seen, moved = Bar(), None, time.monotonic()
    while (job := studio.job(job_id))["status"] not in ENDED:
        bar.show(job)
        if (now := (job["status"], job["progress"]["step"])) != seen:
            seen, moved = now, time.monotonic()
        if time.monotonic() - moved > SILENCE_SECONDS:
            raise StudioError(
                f"The job has not moved for {SILENCE_SECONDS:g} s. The logs are in"
                f" {stack.settings.logs}."
            )
        stack.turn(LOOK_SECONDS)
    bar.show(job)
    bar.end()
    return job
