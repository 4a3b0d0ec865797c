"""The small pictures of a dataset, read where they are stored."""

from __future__ import annotations

from functools import lru_cache

from engines.datasets import album
from engines.datasets.album import Album, AlbumError
from jobs.models import Dataset
from jobs.refusals import RefusedError
from jobs.storage import Storage, StorageError
from webui.studio import studio

# A list of 20,000 pictures takes some megabytes.
LISTS_KEPT = 16


def listed(row: Dataset) -> Album:
    """What a dataset's album lists. Raises :class:`RefusedError` while there is none."""
    if row.album_sha256 is None:
        raise RefusedError("not_found")
    return _read(studio().storage, row.album_sha256)


def thumbnail(row: Dataset, position: int) -> bytes:
    """The JPEG of one picture. Raises :class:`RefusedError` when there is none."""
    found = listed(row)
    if not 0 <= position < len(found.pictures):
        raise RefusedError("not_found")
    assert row.album_sha256 is not None
    try:
        with studio().storage.open(row.album_sha256) as opened:
            return found.thumbnail(opened, position)
    except OSError as failed:
        raise StorageError(f"{row.album_sha256} cannot be read: {failed}") from failed


@lru_cache(maxsize=LISTS_KEPT)
def _read(storage: Storage, sha256: str) -> Album:
    # Content never changes under its hash, so what was read once stays right.
    try:
        with storage.open(sha256) as opened:
            return album.read(opened)
    except (OSError, AlbumError) as failed:
        raise StorageError(f"{sha256} cannot be read: {failed}") from failed
