"""The pages, rendered on the server; every action works without JavaScript."""

from __future__ import annotations

from webui.pages import entry, jobs, making, models, pictures, studio
from webui.pages.blueprint import pages

__all__ = ["entry", "jobs", "making", "models", "pages", "pictures", "studio"]
