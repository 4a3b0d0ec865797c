"""Folders and files of our own: made private, replaced whole, never touched when another's."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import subprocess
import tempfile
from pathlib import Path

from atelier.errors import StudioError

User = tuple[int, int]
# A Unix socket's path has 107 bytes; the longest name we append is ".s.PGSQL.5432.lock".
LONGEST_SOCKET_FOLDER = 85
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


def make_folder(path: Path, mode: int = 0o700, user: User | None = None) -> Path:
    """Make ``path`` and what is missing above it; what exists keeps its permissions."""
    if not path.parent.exists():
        make_folder(path.parent, mode=0o711)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return path
    # Owner first: with the final mode set, nobody ever sees it belong to the wrong one.
    if user is not None:
        os.chown(path, *user)
    path.chmod(mode)
    return path


def socket_folder(preferred: Path, user: User | None = None) -> Path:
    """A private folder for a Unix socket: ``preferred``, or a short one for a long path."""
    plain = PLAIN_PATH.fullmatch(str(preferred))
    if plain and len(os.fsencode(preferred)) <= LONGEST_SOCKET_FOLDER:
        return make_folder(preferred, user=user)
    owner = user[0] if user else os.getuid()
    digest = hashlib.sha256(os.fsencode(preferred)).hexdigest()[:12]
    # The name is the same every time, so that a killed studio leaves one folder and not many.
    short = make_folder(Path(tempfile.gettempdir()) / f"atelier-{owner}-{digest}", user=user)
    seen = short.lstat()
    if short.is_symlink() or seen.st_uid != owner or seen.st_mode & 0o077:
        raise StudioError(f"{short} is not a private folder of ours. Remove it and start again.")
    return short


def write_private(path: Path, text: str) -> None:
    """Replace a file by ``text`` at once, readable by its owner alone, safely on disk."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_private(path: Path) -> str | None:
    """What :func:`write_private` left, or None."""
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def sync_folder(path: Path) -> None:
    """Make a rename within ``path`` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def can_work_in(path: Path, user: User | None) -> bool:
    """Whether ``user`` (None: ourselves) can write in ``path``; tried, not guessed."""
    return _tried(["sh", "-c", 'cd "$1" && test -w .', "sh", str(path)], user)


def can_run(program: Path, user: User | None) -> bool:
    """Whether ``user`` can get to ``program`` and all that it loads, and run it."""
    return _tried([str(program), "--version"], user)


def _tried(argv: list[str], user: User | None) -> bool:
    uid, gid = user or (None, None)
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            argv,
            cwd="/",
            capture_output=True,
            timeout=20,
            check=False,
            user=uid,
            group=gid,
            extra_groups=None if user is None else [],
        )
        return done.returncode == 0
    return False
