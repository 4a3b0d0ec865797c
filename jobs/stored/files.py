"""Uploads: checked in a bounded child process, stored by content, owned by their uploader."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from engines import pictures
from engines.pictures import PictureFacts
from jobs import quotas
from jobs.database import Database
from jobs.ids import new_id
from jobs.listing import keyset
from jobs.models import Blob, File, Owner
from jobs.refusals import RefusedError
from jobs.settings import Settings
from jobs.storage import Storage

MAX_NAME_LENGTH = 200


def upload_picture(
    database: Database,
    storage: Storage,
    owner_id: UUID,
    source: Path,
    name: str,
    settings: Settings,
) -> File:
    """Check and keep an uploaded picture.

    Raises :class:`engines.pictures.PictureError`, :class:`RefusedError` (``disk_used``),
    StorageError, DatabaseDownError; whatever is raised, nothing is left that anybody could see.
    """
    facts = pictures.inspect(source)
    return keep(database, storage, owner_id, source, name, facts, settings)


def keep(
    database: Database,
    storage: Storage,
    owner_id: UUID,
    source: Path,
    name: str,
    facts: PictureFacts,
    settings: Settings,
) -> File:
    """Keep a picture that was checked, or comes with the program. Raises as
    :func:`upload_picture`, but PictureError."""
    stored = storage.put(database, source)
    with database.begin() as session:
        owned = quotas.limits_of(session, owner_id, settings)
        quotas.check_disk(session, owner_id, stored.size, owned)
        return session.execute(
            insert(File)
            .values(
                id=new_id(),
                owner_id=owner_id,
                sha256=stored.sha256,
                role="upload",
                name=shown_name(name),
                media_type=facts.media_type,
                width=facts.width,
                height=facts.height,
            )
            .returning(File)
        ).scalar_one()


def get(session: Session, owner_id: UUID, file_id: UUID) -> File:
    """The owner's file. Raises :class:`RefusedError` (``unknown_file``)."""
    found = session.execute(
        select(File).where(File.id == file_id, File.owner_id == owner_id)
    ).scalar_one_or_none()
    if found is None:
        raise RefusedError("unknown_file")
    return found


def recipe_inside(session: Session, owner_id: UUID) -> bool:
    """Whether somebody's works carry their recipe when they leave, unless they say otherwise."""
    chosen = session.scalars(select(Owner.recipe_inside).where(Owner.id == owner_id)).first()
    return chosen is not False


def choose_recipe_inside(session: Session, owner_id: UUID, inside: bool) -> None:
    """Choose that for all that leaves from now on."""
    session.execute(update(Owner).where(Owner.id == owner_id).values(recipe_inside=inside))


@dataclass(frozen=True)
class UploadPage:
    """A page of uploaded pictures, newest first, each with its bytes, and the ids from which the
    neighbouring pages start."""

    uploads: Sequence[tuple[File, int]]
    older_than: UUID | None
    newer_than: UUID | None


def uploads(
    session: Session,
    owner_id: UUID,
    size: int,
    older_than: UUID | None = None,
    newer_than: UUID | None = None,
) -> UploadPage:
    """A page of an owner's uploaded pictures. Raises :class:`RefusedError` for an unusable size."""
    mine = (File.owner_id == owner_id) & (File.role == "upload")
    theirs = select(File).where(mine, File.media_type.startswith("image/"))
    rows, older, newer = keyset(session, theirs, File.id, size, older_than, newer_than)
    sizes = select(Blob.sha256, Blob.size).where(Blob.sha256.in_({row.sha256 for row in rows}))
    known = {row.sha256: row.size for row in session.execute(sizes)}
    return UploadPage([(row, known[row.sha256]) for row in rows], older, newer)


def outputs_of(session: Session, job_id: UUID) -> list[File]:
    """A job's finished works, the result first."""
    query = select(File).where(File.job_id == job_id).order_by(File.position)
    return list(session.execute(query).scalars())


def shown_name(name: str, otherwise: str = "picture") -> str:
    """A client's file name reduced to something to show; it is never used as a path."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(
        char for char in last if unicodedata.category(char)[0] != "C" and char not in '"'
    )
    return printable.strip()[:MAX_NAME_LENGTH] or otherwise
