"""Small pictures of stored ones, drawn in a bounded child process that is asked again and again.
No torch here.

:class:`Pen` is the parent's side; ``python -m engines.thumbnails`` is the child: a JSON object on
each line of its input, an answer on each line of its output. What is drawn may be a stranger's
upload: decoding it must not cost the process that was asked its memory or its life. A child that
stays costs a page of many pictures one start instead of many.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from engines import bounds, pictures
from engines.pictures import DECODE_MEMORY, DECODE_SECONDS, PictureError

QUALITY = 82
IDLE_SECONDS = 60.0
END_SECONDS = 5.0


class Pen:
    """One child process for any number of pictures. Not to be shared between threads."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        """A child that nobody asks for ``idle_seconds`` gives its memory back."""
        self._idle_seconds = idle_seconds
        self._child: subprocess.Popen[bytes] | None = None

    def draw(self, source: Path, target: Path, size: int) -> None:
        """Write the picture at ``source`` as JPEG to ``target``, its long side at most ``size`` px.

        Raises :class:`PictureError`: it is no picture, or too costly; OSError: the disk fails;
        :class:`engines.bounds.BrokenError`: the child broke by itself.
        """
        asked = json.dumps({"source": str(source), "target": str(target), "size": size})
        answer = self._asked(asked.encode() + b"\n")
        if "trouble" in answer:
            raise OSError(answer["trouble"])
        if "code" in answer:
            raise PictureError(answer["code"], answer["values"])

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._end(0.0)

    def _asked(self, question: bytes) -> dict[str, Any]:
        for _ in range(2):
            child = self._alive()
            try:
                return pictures.answered(child, question)
            except (OSError, ValueError):
                pictures.check_end(*self._end(END_SECONDS))
            # It went for want of questions in the moment of this one: another takes it.
        raise bounds.BrokenError("it ended without an answer, twice")

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is not None:
            self._end(0.0)
        if self._child is None:
            # What Pillow warns of would fill a pipe that nobody reads.
            program = [sys.executable, "-I", "-W", "ignore", "-m", "engines.thumbnails"]
            command = [*program, str(self._idle_seconds)]
            pipe = subprocess.PIPE
            self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env={})
        return self._child

    def _end(self, patience: float) -> tuple[int, bytes]:
        """Wait so long for the child's end, then kill it; its status and what it said of it."""
        child, self._child = self._child, None
        assert child is not None
        try:
            _, said = child.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            child.kill()
            _, said = child.communicate()
        except (OSError, ValueError):  # bytes for a child that is gone still waited to be sent
            child.kill()
            said = child.stderr.read() if child.stderr else b""
            child.wait()
        return child.returncode, said


def _draw(source: str, target: str, size: int) -> dict[str, Any]:
    bounds.limit_seconds(DECODE_SECONDS)
    try:
        picture = pictures.decode(Path(source))[1]
        if max(picture.size) > size:
            picture = pictures.fit_long_side(picture, size)
        Path(target).write_bytes(pictures.encode_jpeg(picture, QUALITY))
    except PictureError as refused:
        return {"code": refused.code, "values": refused.values}
    except MemoryError:
        return {"code": "decoding_too_costly", "values": {}}
    except OSError as failed:
        return {"trouble": str(failed.strerror)}
    return {}


def _main(idle_seconds: float) -> None:
    bounds.limit_memory(DECODE_MEMORY)
    # Whoever asks waits for the answer, so that nothing of a next question is read with one.
    while select.select([sys.stdin], [], [], idle_seconds)[0] and (line := sys.stdin.readline()):
        sys.stdout.write(json.dumps(_draw(**json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main(float(sys.argv[1]))
