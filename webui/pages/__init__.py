"""The pages, rendered on the server; every action works without JavaScript."""

from __future__ import annotations

from webui.pages import (
    account,
    datasets,
    entry,
    jobs,
    making,
    models,
    people,
    pictures,
    shared,
    signing,
    studio,
)
from webui.pages.blueprint import pages

__all__ = [
    "account",
    "datasets",
    "entry",
    "jobs",
    "making",
    "models",
    "pages",
    "people",
    "pictures",
    "shared",
    "signing",
    "studio",
]
