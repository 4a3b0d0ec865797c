"""Which studio a command talks to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atelier.client import Studio

# Long enough for a restart of the web server, short enough to wait for at a prompt.
PATIENCE_SECONDS = 5.0
# Watching goes on for hours; a studio that is restarted meanwhile is no failure.
WATCH_PATIENCE_SECONDS = 120.0


def connect(patience: float = PATIENCE_SECONDS) -> Studio:
    """The studio of ``ATELIER_URL``, else the one that runs on the data folder."""
    from atelier.client import Studio
    from atelier.errors import StudioError
    from atelier.folders import read_private
    from atelier.problems import NoStudioError
    from jobs.settings import Settings

    settings = Settings.read()
    if settings.studio_url:
        if not settings.studio_token:
            raise StudioError("ATELIER_URL is set; set ATELIER_TOKEN to a token of that studio.")
        return Studio(settings.studio_url, settings.studio_token, patience)
    address = read_private(settings.address_file)
    token = settings.studio_token or read_private(settings.token_file)
    if not address or not token:
        raise NoStudioError(str(settings.data.absolute()))
    return Studio(address, token, patience)
