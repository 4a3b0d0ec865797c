"""The folder of pretrained networks: what is in it, and how a file gets there whole."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atelier.errors import StudioError
from atelier.folders import make_folder, sync_folder
from engines.vision.weights import KNOWN, KnownWeights, WeightsError, find, verify

CHUNK = 1 << 20


def inventory(folder: Path) -> list[dict[str, Any]]:
    """Every known network: ``ready``, ``damaged`` or ``absent``, and where it lies."""
    return [_entry(known, folder) for known in KNOWN.values()]


def download(name: str, folder: Path) -> Path:
    """Fetch a network from its origin, because a person asked for it."""
    known = _known(name)
    if known.package:
        raise StudioError(
            f"{name} comes with the package {known.package.partition('/')[0]}; there is nothing"
            " to fetch. See: atelier weights list"
        )
    return _place(known, folder, lambda draft: _fetch(known, draft))


def adopt(file: Path, folder: Path) -> Path:
    """Copy a file that a person has into the folder, under the name of the network it is."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    for known in KNOWN.values():
        if digest.startswith(known.sha256_prefix):
            return _place(known, folder, lambda draft: shutil.copyfile(file, draft))
    raise StudioError(
        f"{file} is none of the known networks: its sha256 is {digest}. It may be damaged;"
        " get it again. The known ones: atelier weights list"
    )


def _place(known: KnownWeights, folder: Path, fill: Callable[[Path], object]) -> Path:
    """Fill a draft, check it, and only then let it appear."""
    make_folder(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".draft-") as drafts:
        draft = Path(drafts) / known.file
        fill(draft)
        try:
            verify(draft)
        except WeightsError as wrong:
            raise StudioError(str(wrong)) from None
        target = folder / known.file
        draft.replace(target)
    sync_folder(folder)
    return target


def _fetch(known: KnownWeights, draft: Path) -> None:
    import requests

    try:
        with requests.get(known.origin, stream=True, timeout=(10, 60)) as answer:
            answer.raise_for_status()
            with draft.open("wb") as target:
                for chunk in answer.iter_content(CHUNK):
                    target.write(chunk)
    except requests.RequestException as failed:
        raise StudioError(
            f"{known.name} could not be downloaded from {known.origin}"
            f" ({type(failed).__name__}). Download it on a machine that can reach it, then:"
            f" atelier weights add {known.file}"
        ) from failed


def _known(name: str) -> KnownWeights:
    if name not in KNOWN:
        raise StudioError(f"There is no network {name!r}. Known: {', '.join(KNOWN)}.")
    return KNOWN[name]


def _entry(known: KnownWeights, folder: Path) -> dict[str, Any]:
    path = find(known.name, folder)
    status = "absent" if path is None else "ready"
    if path is not None:
        try:
            verify(path)
        except WeightsError:
            status = "damaged"
    return {
        "name": known.name,
        "status": status,
        "path": str(path) if path else None,
        "origin": known.origin,
        "licence": known.licence,
    }
