"""What a sent form brings: uploads are kept, samples become files, both are named by id."""

from __future__ import annotations

from uuid import UUID

from flask import Request
from sqlalchemy import select

from engines.pictures import PictureError, PictureFacts
from jobs.models import File
from jobs.refusals import Fault, RefusedError
from jobs.stored import files as kept
from webui import samples
from webui.api.files import keep
from webui.forms import Field, Filled
from webui.studio import owner_id, studio

FILE_SUFFIX = ".file"


def take(form: Filled, request: Request) -> None:
    """Keep every upload of ``request`` and note its id in ``form``, or what is wrong with it.

    Raises :class:`RefusedError` where nothing more of the asker's is kept.
    """
    for known in form.fields:
        if known.shape == "reference":
            _take_field(form, known, request)


def _take_field(form: Filled, known: Field, request: Request) -> None:
    uploads = [sent for sent in request.files.getlist(known.name + FILE_SUFFIX) if sent.filename]
    pointer = f"/params/{known.name}"
    arrived = []
    for sent in uploads:
        try:
            arrived.append(str(keep(sent).id))
        except PictureError as unfit:
            form.faults.append(Fault(pointer, unfit.code, unfit.values))
        except RefusedError as refused:
            if refused.code != "too_large":
                raise  # not this picture: there is no room for any
            values = {"value": sent.filename, "limit": refused.values.get("limit")}
            form.faults.append(Fault(pointer, "too_large", values))
    if uploads and not known.many:
        form.chosen[known.name] = arrived[-1:]  # what was brought outranks the tile behind it
    else:
        form.chosen[known.name] = [*form.values(known.name), *arrived]


def resolved(value: str) -> str:
    """The file id behind a choice: a sample is kept once per owner, as any upload is."""
    sample = samples.all_samples().get(value.removeprefix(samples.PREFIX))
    if sample is None or not value.startswith(samples.PREFIX):
        return value
    known = _kept_already(sample.sha256)
    if known is None:
        parts = studio()
        # It comes with the program, so nobody need decode it once more.
        facts = PictureFacts("image/jpeg", sample.width, sample.height)
        given = (parts.database, parts.storage, owner_id(), sample.path, sample.path.name)
        known = kept.keep(*given, facts, parts.settings).id
    return str(known)


def _kept_already(sha256: str) -> UUID | None:
    with studio().database.begin() as session:
        return session.scalars(
            select(File.id)
            .where(File.owner_id == owner_id(), File.sha256 == sha256, File.role == "upload")
            .order_by(File.id.desc())
            .limit(1)
        ).first()
