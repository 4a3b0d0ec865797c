"""Addresses that come from a request and lead somewhere: only within this studio."""

from __future__ import annotations

from flask import url_for

from jobs.access import shares
from jobs.models import ShareLink
from webui.studio import studio


def own(path: str) -> str:
    """``path`` if it stays within this studio: nobody is sent elsewhere through us."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if inside and path.isprintable() else url_for("pages.studio_page")


def absolute(path: str) -> str:
    """``path`` as people type it; links that are handed on must name the studio."""
    settings = studio().settings
    return (settings.public_url.rstrip("/") or f"http://127.0.0.1:{settings.port}") + path


def of_link(link: ShareLink) -> str:
    """Where a shared work is seen."""
    return absolute(url_for("pages.shared_page", link=shares.address(link)))


def of_invitation(secret: str) -> str:
    """Where an invitation is accepted."""
    return absolute(url_for("pages.invitation_page", secret=secret))


def of_reset(secret: str) -> str:
    """Where a new password is set."""
    return absolute(url_for("pages.reset_page", secret=secret))
