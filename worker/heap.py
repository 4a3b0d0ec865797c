"""The C library's memory: kept for the next step instead of given back after every tensor.

glibc takes memory for large tensors from the system one by one and returns it when they go, so
every step of a run begins with hundreds of thousands of page faults. Here all of it comes from one
heap that is never trimmed: its pages are touched once, and the process ends with its run.
In exchange a run needs about a sixth more memory, so one that did not fit goes without.
"""

from __future__ import annotations

import ctypes
import platform

# Of malloc.h, with what they are set to.
_TRIM_THRESHOLD = (-1, 2**31 - 1)  # bytes: an int is all that mallopt takes
_TOP_PAD = (-2, 64 * 1024**2)
_MMAP_MAX = (-4, 0)


def keep() -> bool:
    """Keep what this process takes from the system from now on; False where the C library is
    another than glibc and nothing was changed."""
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    # Any of the first two alone switches glibc's own adapting of these limits off.
    return all(library.mallopt(*option) for option in (_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX))
