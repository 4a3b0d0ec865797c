"""The sample pictures that come with Atelier, so that a first visit needs no upload."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from engines import pictures
from engines.kind import N_
from jobs.storage import digest

PREFIX = "sample:"
GROUPS = ("photos", "paintings")
TITLES = {
    "astronaut": N_("an astronaut"),
    "cat": N_("a cat"),
    "coffee": N_("a cup of coffee"),
    "rocket": N_("a rocket at night"),
    "van-gogh-cafe-terrace-at-night": N_("Van Gogh, Café Terrace at Night"),
    "van-gogh-harvest-at-la-crau": N_("Van Gogh, Harvest at La Crau"),
    "van-gogh-langlois-bridge": N_("Van Gogh, The Langlois Bridge at Arles"),
    "van-gogh-pere-tanguy": N_("Van Gogh, Portrait of Père Tanguy"),
}


@dataclass(frozen=True)
class Sample:
    """A packaged picture: ``group`` is its folder, ``title`` is translated where it is shown."""

    name: str
    group: str
    title: str
    path: Path
    sha256: str
    width: int
    height: int


@cache
def all_samples() -> dict[str, Sample]:
    """Every sample by its file name, in the order they are shown."""
    return {
        path.name: _sample(path, group)
        for group in GROUPS
        for path in sorted((_folder() / group).glob("*.jpg"), key=_shown_first)
    }


def of_group(group: str) -> list[Sample]:
    """The samples of one folder; of all when there is no such folder."""
    found = [sample for sample in all_samples().values() if sample.group == group]
    return found or list(all_samples().values())


def _folder() -> Path:
    # Found, not imported: the front end never loads the code of the command line.
    spec = find_spec("atelier")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0], "samples") if places else Path("samples")


def _shown_first(path: Path) -> tuple[bool, str]:
    """The pair that tells most at a glance stands first."""
    return path.stem not in ("coffee", "van-gogh-cafe-terrace-at-night"), path.name


def _sample(path: Path, group: str) -> Sample:
    width, height = pictures.open_rgb(path).size
    title = TITLES.get(path.stem, path.stem.replace("-", " "))
    return Sample(path.name, group, title, path, digest(path), width, height)
