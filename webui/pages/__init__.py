"""The pages, rendered on the server; every action works without JavaScript."""

from __future__ import annotations

from webui.pages import (
    account,
    admin,
    datasets,
    deletion,
    entry,
    jobs,
    making,
    models,
    notices,
    people,
    pictures,
    retention,
    shared,
    signing,
    studio,
    uploads,
)
from webui.pages.blueprint import pages

__all__ = [
    "account",
    "admin",
    "datasets",
    "deletion",
    "entry",
    "jobs",
    "making",
    "models",
    "notices",
    "pages",
    "people",
    "pictures",
    "retention",
    "shared",
    "signing",
    "studio",
    "uploads",
]
