"""What a client is told while a service is away."""

from __future__ import annotations

import requests

from atelier.local import Stack
from atelier.tokens import keep_token
from tests.signals import paused_family

SECONDS = 60.0


def test_a_database_that_hangs_is_answered_with_503_and_when_to_come_back(stack: Stack) -> None:
    """Nothing of ours hangs with it, and afterwards all is as before."""
    address = f"{stack.address}/api/v1/jobs"
    bearer = {"Authorization": f"Bearer {keep_token(stack.settings)}"}
    (postgres,) = stack.named("postgres")
    with paused_family(postgres.pid):
        told = requests.get(address, headers=bearer, timeout=SECONDS)
    assert told.status_code == 503
    assert int(told.headers["Retry-After"]) > 0
    assert told.headers["Content-Type"] == "application/problem+json"
    assert requests.get(address, headers=bearer, timeout=SECONDS).status_code == 200
