"""What can go wrong on a person's own machine; each message says what to do."""

from __future__ import annotations


class StudioError(Exception):
    """Something to tell a person in plain words; never shown with a traceback."""


class AlreadyRunningError(StudioError):
    """Another ``atelier up`` works on the same data folder."""


class StopAskedError(Exception):
    """Someone asked the stack to stop while it was waiting for something."""
