"""Pictures from strangers: bounded decoding, colour, resizing, encoding with the recipe inside.

:func:`inspect` decodes in a child process with limits on memory and time, so that a hostile
file can neither crash nor fill the process that asked. :func:`open_rgb` decodes in place and
is for processes that are themselves a child with limits. No torch here.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import select
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError

from engines import bounds
from engines.kind import N_

MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
MIN_SIDE = 16
MAX_SIDE = 16_384
MAX_PIXELS = 64_000_000
DECODE_MEMORY = 2 * 1024**3
DECODE_SECONDS = 30
ANSWER_BYTES = 10_000
RECIPE_KEY = "atelier-recipe"

log = logging.getLogger(__name__)
# Pillow's own bound is off: _opened checks the header against ours and can name the size.
Image.MAX_IMAGE_PIXELS = None


class PictureError(Exception):
    """A file that is no picture we can use. ``code`` is stable; ``message`` is for people."""

    def __init__(self, code: str, values: dict[str, Any] | None = None) -> None:
        self.code, self.values = code, values or {}
        super().__init__(self.message % self.values)

    @property
    def message(self) -> str:
        return MESSAGES[self.code]


MESSAGES = {
    "empty_file": N_("The file is empty. Choose another file."),
    "not_a_picture": N_("The file is not a PNG, JPEG or WebP picture. Save it as one of these."),
    "unreadable_picture": N_("The picture is damaged and cannot be read. Export it again."),
    "picture_too_large": N_(
        "The picture has %(width)d x %(height)d pixels; at most %(max_pixels)d pixels and"
        " %(max_side)d on a side are taken. Make it smaller and try again."
    ),
    "picture_too_small": N_(
        "The picture has %(width)d x %(height)d pixels; at least %(min_side)d on each side"
        " are needed."
    ),
    "unwritable_picture": N_(
        "The picture cannot be had as %(form)s: %(why)s. Ask for another format."
    ),
    "decoding_too_costly": N_(
        "Decoding the picture took too much memory or time. Save it as a plain PNG or JPEG."
    ),
}


@dataclass(frozen=True)
class PictureFacts:
    """What a decoded picture is: its true format and its size in pixels, upright."""

    media_type: str
    width: int
    height: int


def inspect(path: Path) -> PictureFacts:
    """Decode ``path`` wholly in a bounded child process.

    Raises :class:`PictureError` if it is unfit; OSError: the disk fails;
    :class:`engines.bounds.BrokenError`: the child broke by itself.
    """
    return PictureFacts(**answer_of("engines.pictures", str(path)))


def answer_of(module: str, asked: str) -> dict[str, Any]:
    """What a child answers that decodes a picture within its bounds. Raises as :func:`inspect`."""
    command = [sys.executable, "-I", "-m", module, asked]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=2 * DECODE_SECONDS, check=False, env={}
        )
    except subprocess.TimeoutExpired:
        raise PictureError("decoding_too_costly") from None
    check_end(done.returncode, done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout)
    if "code" in answer:
        raise PictureError(answer["code"], answer["values"])
    return answer


def answered(child: subprocess.Popen[bytes], asked: bytes) -> dict[str, Any]:
    """One answer of a child within the time that a picture may take. Raises OSError, ValueError."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(asked)
    child.stdin.flush()
    until = time.monotonic() + 2 * DECODE_SECONDS
    said = b""
    while not said.endswith(b"\n"):
        left = until - time.monotonic()
        ready, _, _ = select.select([child.stdout], [], [], max(0.0, left))
        part = os.read(child.stdout.fileno(), ANSWER_BYTES) if ready else b""
        said += part
        if not part or len(said) > ANSWER_BYTES:
            raise OSError("the child said nothing, or too much")
    answer = json.loads(said)
    if not isinstance(answer, dict):
        raise ValueError("no answer of ours")
    return answer


def check_end(status: int, said: bytes) -> None:
    """Whose fault it is that a child which decodes ended with ``status``. Raises as :func:`inspect`
    unless it is 0."""
    if status < 0:  # the kernel ended it, as its bounds say, or it crashed while decoding
        raise PictureError("decoding_too_costly")
    if status:
        words = said.decode("utf-8", "replace").strip()
        if status == bounds.DISK_FAILS:
            raise OSError(words)
        log.error("a child that decodes ended with %d: %s", status, words[-2000:])
        raise bounds.BrokenError(f"it ended with {status}")


def blamed(failed: Exception) -> Exception:
    """Whom a failed reading blames: the picture, unless the system names a fault of its own."""
    number = failed.errno if isinstance(failed, OSError) else None
    # A damaged picture may send its reader before the file's beginning, or too far.
    if number in (None, errno.EINVAL, errno.EOVERFLOW):
        return PictureError("unreadable_picture")
    return failed


def open_rgb(source: Path | BytesIO, at_least: int | None = None) -> Image.Image:
    """The picture in ``source``, upright, in sRGB, on white where it was transparent.

    With ``at_least``, a JPEG may be decoded at a half, a quarter or an eighth of its size, as
    long as both sides stay that many pixels: several times faster where a small one is wanted.
    """
    with _opened(source) as picture:
        if at_least is not None:
            picture.draft("", (at_least, at_least))
        return _srgb(ImageOps.exif_transpose(picture))


def fit_long_side(picture: Image.Image, size: int) -> Image.Image:
    """Resize so that the long side is ``size`` px, antialiased; sides stay at least 1 px."""
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def middle_square(picture: Image.Image, side: int) -> Image.Image:
    """The middle square of a picture, antialiased to ``side`` px; smaller ones grow."""
    whole = min(picture.size)
    left, top = (picture.width - whole) // 2, (picture.height - whole) // 2
    middle = picture.crop((left, top, left + whole, top + whole))
    return middle.resize((side, side), Image.Resampling.LANCZOS)


def encode_png(
    picture: Image.Image, recipe: dict[str, Any] | None = None, xmp: bytes | None = None
) -> bytes:
    """PNG bytes; ``recipe`` goes into an iTXt chunk, readable by :func:`read_recipe`, and an XMP
    packet into another."""
    texts = PngImagePlugin.PngInfo()
    if recipe is not None:
        text = json.dumps(recipe, ensure_ascii=False, sort_keys=True, allow_nan=False)
        texts.add_itxt(RECIPE_KEY, text)
    if xmp is not None:
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
    buffer = BytesIO()
    picture.save(buffer, "PNG", pnginfo=texts)
    return buffer.getvalue()


def encode_jpeg(picture: Image.Image, quality: int = 85) -> bytes:
    """JPEG bytes, for previews."""
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def encode_frame(picture: Image.Image) -> bytes:
    """JPEG bytes of a picture that is kept: quality 95, colour at full resolution (4:4:4)."""
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def read_recipe(path: Path) -> dict[str, Any] | None:
    """The recipe inside a picture or film of ours, or None, also where what stands in its place
    is no JSON object that could be written again."""
    text = recipe_text(path)
    if text is None:
        return None
    try:
        recipe = json.loads(text)
        json.dumps(recipe, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return recipe if isinstance(recipe, dict) else None


def recipe_text(path: Path) -> str | None:
    """What stands in a picture or film where its recipe belongs, whatever it is. Decodes it wholly:
    for what is ours, or in a process that is bounded itself. Raises :class:`PictureError`."""
    from engines import film

    with _opened(path) as picture:
        try:
            picture.load()
        except (OSError, SyntaxError, ValueError, EOFError) as failed:
            raise blamed(failed) from None
        text, xmp = picture.info.get(RECIPE_KEY), picture.info.get("xmp")
    if isinstance(text, str):
        return text
    return film.recipe_in(xmp) if isinstance(xmp, bytes) else None


def media_type_of(path: Path) -> str:
    """The true media type, from the header. Raises :class:`PictureError`."""
    with _opened(path) as picture:
        return _media_type(picture)


def form_of(head: bytes) -> str:
    """The short name of the format of a picture of ours, from its first four bytes."""
    return {b"RIFF": "webp", b"\x89PNG": "png"}.get(head, "jpeg")


def is_film(path: Path) -> bool:
    """Whether this is a film as :mod:`engines.film` makes them: an animated WebP."""
    with _opened(path) as picture:
        return picture.format == "WEBP" and bool(getattr(picture, "is_animated", False))


def _opened(source: Path | BytesIO) -> Image.Image:
    """Open lazily: format and size are checked from the header before any pixel is read."""
    length = len(source.getbuffer()) if isinstance(source, BytesIO) else source.stat().st_size
    if length == 0:
        raise PictureError("empty_file")
    try:
        picture = Image.open(source, formats=tuple(MEDIA_TYPES))
    except UnidentifiedImageError:
        raise PictureError("not_a_picture") from None
    except (OSError, SyntaxError, ValueError) as failed:
        raise blamed(failed) from None
    width, height = picture.size
    limits = {"max_pixels": MAX_PIXELS, "max_side": MAX_SIDE, "min_side": MIN_SIDE}
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise PictureError("picture_too_large", {"width": width, "height": height, **limits})
    if min(width, height) < MIN_SIDE:
        raise PictureError("picture_too_small", {"width": width, "height": height, **limits})
    return picture


def _media_type(picture: Image.Image) -> str:
    # A JPEG with further pictures behind the first, as phones write them for depth or HDR, is
    # opened under the name of that format (CIPA DC-007); the first picture is the photo.
    return MEDIA_TYPES["JPEG" if picture.format == "MPO" else str(picture.format)]


def _srgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip, not scale
        picture = picture.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "L", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile: the pixels are still a picture
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        ground = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(ground, layered).convert("RGB")
    return picture.convert("RGB")


def decode(path: Path) -> tuple[PictureFacts, Image.Image]:
    """What is at ``path``, decoded in place: for a process that is bounded itself.

    The picture is upright RGB. Raises :class:`PictureError`, MemoryError.
    """
    with _opened(path) as picture:
        try:
            upright = _srgb(ImageOps.exif_transpose(picture))
        except (OSError, SyntaxError, ValueError, EOFError) as failed:
            raise blamed(failed) from None
        return PictureFacts(_media_type(picture), *upright.size), upright


def _main(path: str) -> None:
    bounds.limit_memory(DECODE_MEMORY)
    bounds.limit_seconds(DECODE_SECONDS)
    try:
        answer = asdict(decode(Path(path))[0])
    except PictureError as refused:
        answer = {"code": refused.code, "values": refused.values}
    except MemoryError:
        answer = {"code": "decoding_too_costly", "values": {}}
    except OSError as failed:
        bounds.end_for_disk(failed)
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    _main(sys.argv[1])
