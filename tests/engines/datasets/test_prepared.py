"""Prepared arrays: right pixels, made once, whole or not at all, whatever lies in the cache."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engines.datasets import pack, prepared, samples
from engines.pictures import middle_square
from tests.engines.datasets.conftest import PER_STYLE, SIDE

SHA256 = "ab" * 32


def test_an_array_holds_every_picture_in_order_with_its_label(packed: Path) -> None:
    made = prepared.prepared(packed, 32, None, SHA256)
    count = PER_STYLE * len(samples.STYLES)
    assert made.images.shape == (count, 32, 32, 3)
    assert made.images.dtype == np.uint8
    assert made.images.flags.c_contiguous
    assert not made.images.flags.writeable
    assert made.labels is not None
    assert made.labels.tolist() == sorted(PER_STYLE * list(range(len(samples.STYLES))))
    assert made.label_names == samples.STYLES
    for position in (0, 7, count - 1):
        style = made.label_names[made.labels[position]]
        whole = samples.draw(style, position % PER_STYLE, 5, SIDE)
        assert (made.images[position] == np.asarray(middle_square(whole, 32))).all()


def test_the_middle_square_is_taken_and_nothing_is_stretched() -> None:
    wide = Image.new("RGB", (300, 100), "red")
    wide.paste("blue", (100, 0, 200, 100))
    assert middle_square(wide, 50).getcolors() == [(2500, (0, 0, 255))]
    assert middle_square(wide.transpose(Image.Transpose.ROTATE_90), 50).getpixel((25, 25)) == (
        0,
        0,
        255,
    )


def test_it_is_made_once_and_then_only_mapped(packed: Path, tmp_path: Path) -> None:
    pulses: list[int] = []
    first = prepared.prepared(packed, 16, tmp_path / "cache", SHA256, lambda: pulses.append(1))
    made_in = len(pulses)
    again = prepared.prepared(packed, 16, tmp_path / "cache", SHA256, lambda: pulses.append(1))
    assert made_in > 0
    assert len(pulses) == made_in
    assert (np.asarray(first.images) == np.asarray(again.images)).all()
    assert isinstance(again.images, np.memmap)
    assert len(list((tmp_path / "cache").rglob("*.rgb"))) == 1


def test_what_is_kept_is_found_by_hash_and_resolution_alone(packed: Path, tmp_path: Path) -> None:
    for resolution, sha256 in ((16, SHA256), (8, SHA256), (16, "cd" * 32)):
        prepared.prepared(packed, resolution, tmp_path, sha256)
    assert len(list(tmp_path.rglob("*.rgb"))) == 3


def test_a_damaged_file_in_the_cache_is_made_anew(packed: Path, tmp_path: Path) -> None:
    whole = np.asarray(prepared.prepared(packed, 16, tmp_path, SHA256).images).copy()
    kept = prepared.place(tmp_path, SHA256, 16)
    kept.write_bytes(kept.read_bytes()[:100])
    assert (prepared.prepared(packed, 16, tmp_path, SHA256).images == whole).all()


def test_one_that_stops_in_the_middle_leaves_nothing(packed: Path, tmp_path: Path) -> None:
    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        prepared.prepared(packed, 16, tmp_path / "cache", SHA256, stop)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_two_that_make_the_same_at_once_both_get_it(packed: Path, tmp_path: Path) -> None:
    found: list[bytes] = []

    def make() -> None:
        found.append(prepared.prepared(packed, 24, tmp_path / "c", SHA256).images.tobytes())

    makers = [threading.Thread(target=make) for _ in range(3)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(found) == 3
    assert len(set(found)) == 1


def test_a_run_keeps_its_array_when_the_cache_is_swept(packed: Path, tmp_path: Path) -> None:
    made = prepared.prepared(packed, 16, tmp_path, SHA256)
    before = made.images.tobytes()
    prepared.place(tmp_path, SHA256, 16).unlink()
    assert made.images.tobytes() == before


def test_a_set_without_labels_has_none(tmp_path: Path) -> None:
    picture = samples.write_folder(tmp_path / "art", 1, SIDE, seed=0)[0]
    members = [pack.Member("one.png", None, "image/png", SIDE, SIDE)]
    pack.write(tmp_path / "pack.zip", (), members, lambda _: picture.read_bytes())
    made = prepared.prepared(tmp_path / "pack.zip", 16, None, SHA256)
    assert made.labels is None
    assert made.label_names == ()


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(tmp_path: Path) -> None:
    whole = samples.draw("ridges", 0, 0, 800)
    whole.save(tmp_path / "large.jpg", quality=95)
    members = [pack.Member("large.jpg", None, "image/jpeg", 800, 800)]
    content = (tmp_path / "large.jpg").read_bytes()
    pack.write(tmp_path / "pack.zip", (), members, lambda _: content)
    made = prepared.prepared(tmp_path / "pack.zip", 64, None, SHA256)
    apart = np.abs(made.images[0].astype(int) - np.asarray(middle_square(whole, 64)).astype(int))
    assert apart.mean() < 2


def test_a_foreign_file_and_a_wrong_resolution_are_refused(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_bytes(b"no pack")
    with pytest.raises(pack.PackError):
        prepared.prepared(tmp_path / "no.zip", 16, None, SHA256)
    with pytest.raises(ValueError, match="outside 8 to 1024"):
        prepared.prepared(packed, 7, None, SHA256)


def test_the_same_pictures_make_the_same_pack(packed: Path, tmp_path: Path) -> None:
    with pack.Pack(packed) as opened:
        again = tmp_path / "again.zip"
        pack.write(again, opened.labels, opened.members, opened.read)
    assert again.read_bytes() == packed.read_bytes()
