"""How people, their tokens, invitations and links look in the API."""

from __future__ import annotations

from typing import Any

from jobs.models import File, Invitation, Owner, ShareLink, Token
from jobs.quotas import Limits, Use
from webui import addresses
from webui.api.shapes import time


def person(row: Owner, limits: Limits, use: Use) -> dict[str, Any]:
    """A person with what they may have and what they have."""
    return {
        "id": str(row.id),
        "name": row.name,
        "role": row.role,
        "language": row.language,
        "disabled": row.disabled_at is not None,
        "second_factor": row.totp_secret is not None,
        "created_at": time(row.created_at),
        "limits": {
            "running": limits.running,
            "waiting": limits.waiting,
            "disk_bytes": limits.disk_bytes or None,
            "gpu_hours": limits.gpu_hours or None,
        },
        "use": {
            "running": use.running,
            "waiting": use.waiting,
            "disk_bytes": use.disk_bytes,
            "gpu_hours": round(use.gpu_hours, 2),
            "gpu_rest_until": time(use.gpu_rest_until),
        },
    }


def token(row: Token, secret: str | None = None) -> dict[str, Any]:
    """A token or a session; the secret stands only in the answer that makes it."""
    shown = {
        "id": str(row.id),
        "name": row.name,
        "access": row.access,
        "created_at": time(row.created_at),
        "expires_at": time(row.expires_at),
        "used_at": time(row.used_at),
    }
    return shown if secret is None else {**shown, "token": secret}


def invitation(row: Invitation, secret: str | None = None) -> dict[str, Any]:
    """An invitation; its link stands only in the answer that makes it."""
    shown = {
        "id": str(row.id),
        "role": row.role,
        "note": row.note,
        "created_at": time(row.created_at),
        "expires_at": time(row.expires_at),
    }
    return shown if secret is None else {**shown, "url": addresses.of_invitation(secret)}


def link(row: ShareLink, file: File) -> dict[str, Any]:
    """A link to a shared work."""
    return {
        "id": str(row.id),
        "file_id": str(row.file_id),
        "name": file.name,
        "recipe": row.recipe,
        "views": row.views,
        "created_at": time(row.created_at),
        "expires_at": time(row.expires_at),
        "url": addresses.of_link(row),
    }
