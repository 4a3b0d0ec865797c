"""Many strangers' pictures decoded in one bounded child process that is begun anew when one of
them kills it. No torch here.

:class:`Reader` is the parent's side; ``python -m engines.datasets.reading`` is the child: a JSON
object with two paths on each line of its input, an answer on each line of its output.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from engines import bounds, pictures
from engines.datasets.likeness import Likeness, likeness
from engines.pictures import PictureError, PictureFacts

THUMBNAIL_SIDE = 240
THUMBNAIL_QUALITY = 80
# What preparing a picture for training would cost is measured by doing it once at this size.
PREPARED_SIDE = 256


@dataclass(frozen=True)
class Look:
    """What was seen of a picture, and how many seconds of a processor preparing it took."""

    facts: PictureFacts
    likeness: Likeness
    seconds: float


class Reader:
    """One child process for any number of pictures. Not to be shared between threads."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def look(self, path: Path, thumbnail: Path) -> Look:
        """Decode ``path`` wholly and leave a JPEG of at most 240 px at ``thumbnail``.

        Raises :class:`engines.pictures.PictureError`, also when the picture killed the child, and
        OSError where the disk takes nothing. A child that is killed or stopped by somebody else is
        no fault of the picture's: only one that fails two children is unfit.
        """
        asked = json.dumps({"path": str(path), "thumbnail": str(thumbnail)}).encode() + b"\n"
        answer = self._asked(asked) or self._asked(asked)
        if answer is None:
            raise PictureError("decoding_too_costly")
        if "code" in answer:
            raise PictureError(answer["code"], answer["values"])
        facts = PictureFacts(answer["media_type"], answer["width"], answer["height"])
        return Look(facts, Likeness.of_text(answer["likeness"]), float(answer["seconds"]))

    def _asked(self, asked: bytes) -> dict[str, Any] | None:
        """What a child answers; None where it did not, and is gone now."""
        child = self._alive()
        try:
            return pictures.answered(child, asked)
        except (OSError, ValueError):
            self.close()
            if child.returncode == bounds.DISK_FAILS:
                raise OSError("a small picture could not be written") from None
            if child.returncode == -signal.SIGXCPU:  # its own doing: once is enough
                raise PictureError("decoding_too_costly") from None
            return None

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for end in (child.stdin, child.stdout):
            # Bytes for a child that is gone may still be waiting to be flushed.
            with contextlib.suppress(OSError):
                if end is not None:
                    end.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self.close()
            command = [sys.executable, "-I", "-m", "engines.datasets.reading", str(os.getpid())]
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
            )
        return self._child


def _look(path: Path, thumbnail: Path) -> dict[str, Any]:
    bounds.limit_seconds(pictures.DECODE_SECONDS)
    began = time.process_time()
    facts, picture = pictures.decode(path)
    pictures.middle_square(picture, PREPARED_SIDE)
    seconds = time.process_time() - began
    small = picture
    if max(picture.size) > THUMBNAIL_SIDE:
        small = picture.copy()
        small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    content = pictures.encode_jpeg(small, THUMBNAIL_QUALITY)
    try:
        thumbnail.write_bytes(content)
    except OSError:
        sys.exit(bounds.DISK_FAILS)
    return {
        "media_type": facts.media_type,
        "width": facts.width,
        "height": facts.height,
        "likeness": likeness(picture).text(),
        "seconds": seconds,
    }


def _main(parent: int) -> None:
    bounds.die_with(parent)
    bounds.limit_memory(pictures.DECODE_MEMORY)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        try:
            answer = _look(Path(asked["path"]), Path(asked["thumbnail"]))
        except PictureError as refused:
            answer = {"code": refused.code, "values": refused.values}
        except MemoryError:
            answer = {"code": "decoding_too_costly", "values": {}}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
