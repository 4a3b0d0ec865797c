"""A small labelled set, packed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.datasets import pack, samples

SIDE = 48
PER_STYLE = 3


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Three pictures of every style of the sample art, 48 px square."""
    files = samples.write_folder(tmp_path / "art", PER_STYLE, SIDE, seed=5)
    members = [
        pack.Member(file.name, samples.STYLES.index(file.parent.name), "image/png", SIDE, SIDE)
        for file in files
    ]
    path = tmp_path / "pack.zip"
    pack.write(path, samples.STYLES, members, lambda position: files[position].read_bytes())
    return path
