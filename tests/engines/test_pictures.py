"""Pictures from strangers: what is refused, how, and what the rest becomes."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageCms

from engines import bounds, pictures
from engines.pictures import PictureError
from tests.engines.tiny import FILES, PHOTO


def _png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


def _truncated() -> bytes:
    whole = FILES[PHOTO].read_bytes()
    return whole[: len(whole) // 2]


def _as_gif() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, "GIF")
    return buffer.getvalue()


def _small() -> bytes:
    return pictures.encode_png(Image.new("RGB", (64, 4)))


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "an empty file": (bytes, "empty_file"),
    "a text file": (lambda: b"hello, this is no picture", "not_a_picture"),
    "a GIF": (_as_gif, "not_a_picture"),
    "half a JPEG": (_truncated, "unreadable_picture"),
    "a bomb of pixels": (lambda: _png_header(16_000, 16_000), "picture_too_large"),
    "a very long line": (lambda: _png_header(60_000, 20), "picture_too_large"),
    "a PNG without its pixels": (lambda: _png_header(200, 200), "unreadable_picture"),
    "a stripe": (_small, "picture_too_small"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_a_stable_code_and_words(name: str, tmp_path: Path) -> None:
    content, code = HOSTILE[name]
    path = tmp_path / "upload.png"
    path.write_bytes(content())
    with pytest.raises(PictureError) as refused:
        pictures.inspect(path)
    assert refused.value.code == code
    assert "%(" not in str(refused.value)


def test_trouble_of_the_machine_is_not_told_as_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="No such file"):
        pictures.inspect(tmp_path / "gone.png")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(bounds.BrokenError):
        pictures.inspect(FILES[PHOTO])


def test_a_picture_is_known_by_its_content_not_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "liar.png"
    path.write_bytes(FILES[PHOTO].read_bytes())
    facts = pictures.inspect(path)
    assert (facts.media_type, facts.width, facts.height) == ("image/jpeg", 451, 300)


def test_a_phones_photo_with_a_depth_map_behind_it_is_a_jpeg(tmp_path: Path) -> None:
    photo, depth = Image.new("RGB", (96, 64), "red"), Image.new("RGB", (48, 32), "grey")
    path = tmp_path / "phone.jpg"
    photo.save(path, format="MPO", save_all=True, append_images=[depth])
    assert pictures.inspect(path) == pictures.PictureFacts("image/jpeg", 96, 64)
    assert pictures.media_type_of(path) == "image/jpeg"
    first = pictures.open_rgb(path, at_least=16)
    assert first.getpixel((0, 0)) == pytest.approx((254, 0, 0), abs=2)


def test_a_photo_taken_upright_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (60, 30), "red").save(tmp_path / "turned.jpg", exif=exif)
    facts = pictures.inspect(tmp_path / "turned.jpg")
    assert (facts.width, facts.height) == (30, 60)
    assert pictures.open_rgb(tmp_path / "turned.jpg").size == (30, 60)


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert pictures.open_rgb(tmp_path / "clear.png").getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", "jpg"), ("L", "png"), ("P", "png")])
def test_other_colour_modes_become_rgb(mode: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{suffix}"
    with Image.open(FILES[PHOTO]) as photo:
        photo.convert(mode).save(path)
    opened = pictures.open_rgb(path)
    assert (opened.mode, opened.size) == ("RGB", (451, 300))


def test_a_picture_of_16_bits_keeps_its_brightness(tmp_path: Path) -> None:
    ramp = numpy.linspace(0, 65535, 64, dtype=numpy.uint16)
    Image.fromarray(numpy.tile(ramp, (64, 1))).save(tmp_path / "deep.png")
    pixels = numpy.array(pictures.open_rgb(tmp_path / "deep.png"))[0, :, 0].astype(int)
    assert pixels[0] == 0
    assert pixels[-1] == 255
    assert abs(pixels[32] - 130) <= 2


def test_a_colour_profile_is_carried_over_to_srgb(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (20, 20), (10, 200, 30)).save(tmp_path / "tagged.png", icc_profile=profile)
    pixel = pictures.open_rgb(tmp_path / "tagged.png").getpixel((3, 3))
    assert isinstance(pixel, tuple)
    assert max(abs(a - b) for a, b in zip(pixel, (10, 200, 30), strict=True)) <= 2


def test_a_broken_colour_profile_does_not_spoil_the_picture(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20), "blue").save(tmp_path / "odd.png", icc_profile=b"nonsense")
    assert pictures.open_rgb(tmp_path / "odd.png").getpixel((3, 3)) == (0, 0, 255)


def test_a_recipe_goes_into_a_picture_and_comes_back(tmp_path: Path) -> None:
    recipe = {"kind": "style_transfer", "params": {"seed": 7}, "title": "星夜"}
    (tmp_path / "work.png").write_bytes(pictures.encode_png(Image.new("RGB", (20, 20)), recipe))
    assert pictures.read_recipe(tmp_path / "work.png") == recipe


def test_a_picture_of_others_has_no_recipe() -> None:
    assert pictures.read_recipe(FILES[PHOTO]) is None


def test_resizing_keeps_the_shape_and_at_least_a_pixel() -> None:
    assert pictures.fit_long_side(Image.new("RGB", (400, 200)), 100).size == (100, 50)
    assert pictures.fit_long_side(Image.new("RGB", (1000, 16)), 20).size == (20, 1)
