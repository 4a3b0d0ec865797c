"""``atelier up``: the stack in the foreground, until Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from atelier.errors import StopAskedError
from atelier.folders import write_private
from atelier.local import Say, Stack
from atelier.tokens import keep_token, login_address
from jobs.settings import Settings

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(settings: Settings, say: Say) -> None:
    """Start everything, say where it is, keep it alive until someone asks to stop."""
    with contextlib.suppress(StopAskedError), serving(settings, say) as stack:
        say(f"Studio: {stack.address}")
        say(how_to_come_in(stack))
        say("Ctrl-C stops it.")
        while True:
            stack.turn(3600)
    say("Stopped.")


def how_to_come_in(stack: Stack) -> str:
    """What a person does first: an address that logs in once, or where accounts are asked for."""
    if stack.settings.with_accounts:
        sign_in = f"{public_address(stack)}/sign-in"
        return f"Sign in at {sign_in}. The first time: atelier admin invite --administrator"
    return f"Open this once to log in: {login_address(stack.settings, public_address(stack))}"


@contextlib.contextmanager
def serving(settings: Settings, say: Say) -> Iterator[Stack]:
    """A ready stack with its address and token left for the command line.

    SIGINT, SIGTERM and SIGHUP are only noted when they come, and raise
    :class:`StopAskedError` in the stack's next wait, so that no child is started unknown.
    """
    stack = Stack(settings, say=say)
    with _stopping_on_signals(stack), stack:
        try:
            stack.wait_ready()
            keep_token(stack.settings)
            write_private(stack.settings.address_file, stack.address)
            yield stack
        finally:
            stack.settings.address_file.unlink(missing_ok=True)


def public_address(stack: Stack) -> str:
    """What people type: ``PUBLIC_URL`` where it is set."""
    return stack.settings.public_url.rstrip("/") or stack.address


@contextlib.contextmanager
def _stopping_on_signals(stack: Stack) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        stack.ask_to_stop()

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
