"""Become another program that cannot outlive the process which started it.

``python -m atelier.guard --parent PID [--user UID:GID] [--signal N] -- program argument...``

Nothing here may import more than it must: every process of the stack starts through it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from signal import SIGKILL

PR_SET_PDEATHSIG = 1
REFUSED = 125


def guarded(
    program: Sequence[str], user: tuple[int, int] | None = None, signal: int = SIGKILL
) -> list[str]:
    """The command line that starts ``program`` as a guarded child of this process.

    The kernel watches the *thread* that starts the child, so start it from one that lives
    as long as the child should; in ``atelier up`` that is the main thread.
    """
    # -I -S: no site packages, no user files; it starts in 20 ms and reads nothing of anyone's.
    head = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
    head += ["--parent", str(os.getpid()), "--signal", str(int(signal))]
    if user is not None:
        head += ["--user", f"{user[0]}:{user[1]}"]
    return [*head, "--", *program]


def drop_privileges(user: tuple[int, int]) -> None:
    """Become ``(uid, gid)`` for good, with no other groups."""
    uid, gid = user
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with_parent(parent: int, signal: int = SIGKILL) -> bool:
    """Ask the kernel for ``signal`` when our parent ends; False when it has ended already.

    A change of user or group clears the request, so it comes after :func:`drop_privileges`.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    return os.getppid() == parent


def main(arguments: Sequence[str]) -> int:
    """Drop privileges, bind our life to the parent's, become the program."""
    cut = arguments.index("--")
    options = dict(zip(arguments[:cut:2], arguments[1:cut:2], strict=True))
    program = list(arguments[cut + 1 :])
    if "--user" in options:
        uid, gid = map(int, options["--user"].split(":"))
        drop_privileges((uid, gid))
    if not die_with_parent(int(options["--parent"]), int(options.get("--signal", SIGKILL))):
        return REFUSED
    try:
        os.execvp(program[0], program)  # noqa: S606  (no shell is the point)
    except OSError as refused:
        sys.stderr.write(f"{program[0]}: {refused.strerror}\n")
        return REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
