"""The origin label of pictures made by a model, and copies of works in other formats. No torch.

The label says ``trainedAlgorithmicMedia``, the IPTC's term for media made by a model from sampled
content (vocabulary of digital source types, cv.iptc.org/newscodes/digitalsourcetype), in the
property ``Iptc4xmpExt:DigitalSourceType`` of the IPTC Photo Metadata Standard, as XMP; and, where
the policy wants it, as two letters in a corner. Copies are made as they leave: a stored work, its
hash and what further jobs are made from stay as the run made them.
"""

from __future__ import annotations

import json
from html import escape
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from engines import pictures

POLICIES = ("off", "metadata", "visible")
# What a copy may be saved as, by its short name: media type, suffix, how Pillow is asked for it.
FORMATS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "png": ("image/png", "png", {}),
    "jpeg": ("image/jpeg", "jpg", {"quality": 95, "subsampling": 0}),
    "webp": ("image/webp", "webp", {"quality": 95, "method": 4}),
}
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MARK = "AI"
# The letters' height: a share of the short side, but legible.
MARK_SHARE, MARK_LEAST = 0.035, 12


def packet(recipe: dict[str, Any] | None, labelled: bool) -> bytes | None:
    """XMP with the label and the recipe; None with neither."""
    if recipe is None and not labelled:
        return None
    told = ""
    if labelled:
        told += (
            ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
            f' Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"'
        )
    if recipe is not None:
        text = json.dumps(recipe, ensure_ascii=False, sort_keys=True, allow_nan=False)
        told += f' xmlns:atelier="urn:atelier:" atelier:recipe="{escape(text)}"'
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about=""{told}/></rdf:RDF></x:xmpmeta>'
    ).encode()


def marked(picture: Image.Image) -> Image.Image:
    """The picture with a small mark in its lower right corner, legible on any ground."""
    copy = picture.convert("RGB")
    height = max(MARK_LEAST, round(MARK_SHARE * min(copy.size)))
    font = ImageFont.load_default(height)
    left, top, right, bottom = font.getbbox(MARK)
    pad = max(3, height // 3)
    width, tall = round(right - left) + 2 * pad, round(bottom - top) + 2 * pad
    plate = Image.new("RGB", (width, tall), "black")
    ImageDraw.Draw(plate).text((pad - left, pad - top), MARK, font=font, fill="white")
    place = (copy.width - width - pad, copy.height - tall - pad)
    copy.paste(plate, (max(0, place[0]), max(0, place[1])))
    return copy


def copy_of(picture: Image.Image, form: str, recipe: dict[str, Any] | None, policy: str) -> bytes:
    """A picture as it leaves: in the format ``form`` of :data:`FORMATS`, by the policy."""
    if policy == "visible":
        picture = marked(picture)
    if form == "png":
        return pictures.encode_png(picture, recipe, packet(None, policy != "off"))
    xmp = packet(recipe, policy != "off")
    media_type, _, how = FORMATS[form]
    buffer = BytesIO()
    kept = {"xmp": xmp} if xmp else {}
    picture.convert("RGB").save(buffer, media_type.partition("/")[2].upper(), **how, **kept)
    return buffer.getvalue()
