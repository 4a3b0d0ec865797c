"""Pictures of this machine on their way into a dataset: folders as one ZIP; sample art."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from atelier.errors import StudioError


@contextmanager
def as_archive(places: Sequence[Path]) -> Iterator[Path]:
    """One ZIP of what lies at ``places``: a ZIP as it is, also a damaged one, of which the studio
    then says so; folders and files put into a new one.

    Names keep the folders below each place; links are left out. Raises StudioError.
    """
    if len(places) == 1 and _is_zip(places[0]):
        yield places[0]
        return
    with tempfile.TemporaryDirectory(prefix="atelier-dataset-") as folder:
        name = places[0].resolve().name if places[0].is_dir() else "pictures"
        target = Path(folder, f"{name}.zip")
        taken: set[str] = set()
        # A ZIP tells no date before 1980, as some cameras leave them: the nearest is put.
        stored = zipfile.ZIP_STORED
        with zipfile.ZipFile(target, "w", stored, strict_timestamps=False) as archive:
            for place in places:
                for path, inside in _files(place):
                    if inside in taken:
                        raise StudioError(f"{path}: another {inside} is sent already. Rename one.")
                    taken.add(inside)
                    archive.write(path, inside)
        if not taken:
            raise StudioError(f"There is no file in {', '.join(map(str, places))}.")
        yield target


def _is_zip(place: Path) -> bool:
    if not place.is_file():
        return False
    with place.open("rb") as opened:
        return opened.read(2) == b"PK" or zipfile.is_zipfile(place)


def write_samples(folder: Path, per_style: int, size: int, seed: int) -> list[Path]:
    """Draw sample art into a folder, a sub-folder for each style."""
    from engines.datasets import samples

    return samples.write_folder(folder, per_style, size, seed)


def _files(place: Path) -> Iterator[tuple[Path, str]]:
    if not place.is_dir():
        yield place, place.name
        return
    for path in sorted(place.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path, path.relative_to(place).as_posix()
