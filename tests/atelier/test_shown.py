"""What the command line says of jobs."""

from __future__ import annotations

from typing import Any, cast

import pytest

from atelier.answers import Job
from atelier.cli import shown


@pytest.mark.parametrize("lasting", [True, False])
def test_a_job_that_would_end_so_again_says_how_to_change_it(lasting: bool) -> None:
    error: dict[str, Any] = {"detail": "It cannot be used.", "hint": "", "lasting": lasting}
    job = cast(Job, {"id": "0198", "status": "failed", "reason": "bad_input", "error": error})
    said = list(shown.trouble(job))
    assert said[0] == "failed: It cannot be used."
    assert [line.endswith("atelier rerun 0198 --set NAME=VALUE") for line in said[1:]] == (
        [True] if lasting else []
    )


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.02, "1s"), (59.6, "1m 0s"), (250, "4m 10s"), (90_000, "1d 1h")]
)
def test_a_job_should_take_a_second_at_least(seconds: float, told: str) -> None:
    said = shown.run_words({"seconds": seconds, "guessed": False})
    assert said == f"should take {told}, as recent jobs took"
