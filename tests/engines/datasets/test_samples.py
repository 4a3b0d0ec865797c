"""Sample art: drawn by rule alone, labelled by its folder, and different from style to style."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engines.datasets import samples


@pytest.mark.parametrize("style", samples.STYLES)
def test_the_same_numbers_draw_the_same_pixels_and_others_draw_others(style: str) -> None:
    first, again = (samples.draw(style, 2, 7, 32).tobytes() for _ in range(2))
    assert first == again
    assert samples.draw(style, 3, 7, 32).tobytes() != first
    assert samples.draw(style, 2, 8, 32).tobytes() != first


def test_a_picture_is_the_same_composition_at_every_size() -> None:
    for style in samples.STYLES:
        small = np.asarray(samples.draw(style, 0, 1, 32), dtype=float)
        large = samples.draw(style, 0, 1, 128).resize((32, 32), Image.Resampling.LANCZOS)
        other = np.asarray(samples.draw(style, 1, 1, 32), dtype=float)
        near = np.abs(small - np.asarray(large, dtype=float)).mean()
        assert near < np.abs(small - other).mean() / 2, style


def test_styles_are_told_apart_by_the_simplest_of_judges() -> None:
    """The nearest mean of three crude measures names the style of most pictures: colourfulness,
    contrast, and how much changes from one pixel to the next."""

    def measures(picture: Image.Image) -> list[float]:
        pixels = np.asarray(picture, dtype=float)
        grey = pixels.mean(axis=2)
        return [
            float((pixels.max(axis=2) - pixels.min(axis=2)).mean()),
            float(grey.std()),
            float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()),
        ]

    def drawn(style: str, indices: range) -> list[list[float]]:
        return [measures(samples.draw(style, index, 3, 48)) for index in indices]

    means = np.array([np.mean(drawn(style, range(8)), axis=0) for style in samples.STYLES])
    asked = [
        (position, facts)
        for position, style in enumerate(samples.STYLES)
        for facts in drawn(style, range(8, 12))
    ]
    right = [np.abs(means - facts).sum(axis=1).argmin() == position for position, facts in asked]
    assert np.mean(right) > 0.6


def test_a_folder_holds_a_sub_folder_for_every_style(tmp_path: Path) -> None:
    written = samples.write_folder(tmp_path, 2, 24, seed=0)
    assert len(samples.STYLES) >= 6
    assert sorted(folder.name for folder in tmp_path.iterdir()) == sorted(samples.STYLES)
    assert len(written) == 2 * len(samples.STYLES)
    with Image.open(written[0]) as picture:
        assert picture.size == (24, 24)


@pytest.mark.parametrize("size", [15, 2049])
def test_a_size_out_of_bounds_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="outside 16 to 2048"):
        samples.draw("ink", 0, 0, size)
