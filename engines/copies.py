"""Copies of stored pictures as they leave, made in a bounded child process. No torch here.

:func:`make` is the parent's side; ``python -m engines.copies`` is the child. What is copied may be
a stranger's upload: decoding it must not cost the process that was asked its memory or its life.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from engines import bounds, film, origin, pictures
from engines.pictures import DECODE_MEMORY, DECODE_SECONDS, PictureError


@dataclass(frozen=True)
class Wanted:
    """How a copy is to be: ``form`` of :data:`origin.FORMATS`, with the recipe that lies inside or
    without, labelled by ``policy``."""

    form: str
    recipe: bool
    policy: str


def make(source: Path, target: Path, wanted: Wanted) -> None:
    """Write the picture or film at ``source`` to ``target`` as it leaves; an empty file where
    nothing of it need be changed.

    Raises :class:`PictureError`: it is no picture, too costly, or cannot be had in that form;
    OSError: the disk fails; :class:`engines.bounds.BrokenError`: the child broke by itself.
    """
    asked = json.dumps({"source": str(source), "target": str(target), **asdict(wanted)})
    pictures.answer_of("engines.copies", asked)


def copied(source: Path, wanted: Wanted) -> bytes:
    """The bytes of a copy, made in place; empty where nothing need be changed."""
    inside = pictures.recipe_text(source)
    told = pictures.read_recipe(source) if wanted.recipe else None
    stored = pictures.media_type_of(source) == origin.FORMATS[wanted.form][0]
    if wanted.policy == "off" and stored and (wanted.recipe or inside is None):
        return b""
    if pictures.is_film(source):
        # A film leaves as a film; the label lies in its metadata alone.
        packet = origin.packet(told, wanted.policy != "off")
        return film.with_xmp(source.read_bytes(), packet)
    try:
        picture = pictures.open_rgb(source)
    except (OSError, SyntaxError, ValueError, EOFError) as failed:
        raise pictures.blamed(failed) from None
    try:
        return origin.copy_of(picture, wanted.form, told, wanted.policy)
    except (OSError, ValueError) as failed:  # the format holds no such size, or no such recipe
        values = {"form": wanted.form, "why": str(failed)[:200]}
        raise PictureError("unwritable_picture", values) from None


def _main(source: str, target: str, **wanted: str | bool) -> None:
    bounds.limit_memory(DECODE_MEMORY)
    bounds.limit_seconds(DECODE_SECONDS)
    answer = {}
    try:
        made = copied(Path(source), Wanted(**wanted))  # type: ignore[arg-type]
        Path(target).write_bytes(made)
    except PictureError as refused:
        answer = {"code": refused.code, "values": refused.values}
    except MemoryError:
        answer = {"code": "decoding_too_costly", "values": {}}
    except OSError as failed:
        bounds.end_for_disk(failed)
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    _main(**json.loads(sys.argv[1]))
