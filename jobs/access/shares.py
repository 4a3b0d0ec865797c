"""Links that show one work to whoever has them: signed, expiring, counted, revocable.

A link's address holds its row's id and an HMAC-SHA256 (RFC 2104) over everything it grants, under
a key of 256 random bits that only its row knows. Nobody can make one up, and a row that is changed
or deleted makes its link worthless.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from jobs.ids import new_id
from jobs.models import File, Job, Owner, ShareLink
from jobs.refusals import Fault, RefusedError
from jobs.stored import files

DAYS = range(1, 366)
MAX_LINKS = 200


@dataclass(frozen=True)
class Shown:
    """What a link shows: a file, with its job where the recipe may be seen."""

    link: ShareLink
    file: File
    job: Job | None


def make(session: Session, owner_id: UUID, file_id: UUID, days: int, recipe: bool) -> ShareLink:
    """A link to a picture that one's own job made. Raises :class:`RefusedError`."""
    if days not in DAYS:
        limits = {"value": days, "low": DAYS[0], "high": DAYS[-1]}
        raise RefusedError("invalid", faults=[Fault("/days", "out_of_range", limits)])
    file = files.get(session, owner_id, file_id)
    if file.job_id is None or not file.media_type.startswith("image/"):
        # An upload may say where a photo was taken; a work says what its owner lets it.
        values = {"value": file.media_type, "wanted": "work"}
        raise RefusedError("invalid", faults=[Fault("/file_id", "wrong_media_type", values)])
    if len(listed(session, owner_id)) >= MAX_LINKS:
        raise RefusedError("too_many_links", limit=MAX_LINKS)
    return session.execute(
        insert(ShareLink)
        .values(
            id=new_id(),
            owner_id=owner_id,
            file_id=file.id,
            key=secrets.token_bytes(32),
            recipe=recipe,
            expires_at=func.date_trunc("second", func.now()) + timedelta(days=days),
        )
        .returning(ShareLink)
    ).scalar_one()


def listed(session: Session, owner_id: UUID) -> list[tuple[ShareLink, File]]:
    """One's links that still open, the newest first."""
    query = (
        select(ShareLink, File)
        .join(File, File.id == ShareLink.file_id)
        .where(ShareLink.owner_id == owner_id, ShareLink.expires_at > func.clock_timestamp())
        .order_by(ShareLink.created_at.desc())
    )
    return [(link, file) for link, file in session.execute(query)]


def revoke(session: Session, owner_id: UUID, link_id: UUID) -> None:
    """Take a link back. Raises :class:`RefusedError` (``unknown_link``)."""
    mine = (ShareLink.id == link_id) & (ShareLink.owner_id == owner_id)
    if session.execute(delete(ShareLink).where(mine).returning(ShareLink.id)).first() is None:
        raise RefusedError("unknown_link")


def open_(session: Session, address: str, count: bool = False) -> Shown:
    """What a link shows; ``count`` it as seen once more.

    Raises :class:`RefusedError` (``link_gone``) when it was never made, was revoked, or ended.
    """
    given = _read(address)
    row = session.execute(
        select(ShareLink, File)
        .join(File, File.id == ShareLink.file_id)
        .join(Owner, Owner.id == ShareLink.owner_id)
        .where(
            ShareLink.id == (given[0] if given else None),
            ShareLink.expires_at > func.clock_timestamp(),
            Owner.disabled_at.is_(None),
        )
    ).one_or_none()
    if given is None or row is None or not hmac.compare_digest(given[1], _signature(row[0])):
        raise RefusedError("link_gone")
    link, file = row
    if count:
        seen = update(ShareLink).where(ShareLink.id == link.id).values(views=ShareLink.views + 1)
        session.execute(seen.execution_options(synchronize_session=False))
    job = session.get(Job, file.job_id) if link.recipe and file.job_id else None
    return Shown(link, file, job)


def address(link: ShareLink) -> str:
    """The last part of a link's address: 64 letters."""
    return urlsafe_b64encode(link.id.bytes + _signature(link)).decode()


def _signature(link: ShareLink) -> bytes:
    until = link.expires_at.timestamp()
    granted = f"{link.id}/{link.owner_id}/{link.file_id}/{link.recipe}/{until:.0f}"
    return hmac.new(link.key, granted.encode(), hashlib.sha256).digest()


def _read(address: str) -> tuple[UUID, bytes] | None:
    try:
        raw = urlsafe_b64decode(address.encode("ascii"))
    except ValueError:
        return None
    # Another spelling of the same bytes is another address.
    if len(raw) != 48 or urlsafe_b64encode(raw).decode() != address:
        return None
    return UUID(bytes=raw[:16]), raw[16:]
