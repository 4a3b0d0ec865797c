"""Memory that is used again costs no page faults."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Prints the page faults of tensors that come and go, as a training's do.
FAULTS = """
import resource, sys, torch
from worker import heap
if sys.argv[1] == "kept":
    assert heap.keep()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(2**24)
before = faults()
for _ in range(40):
    torch.ones(2**24)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's memory is kept")
def test_a_step_touches_the_memory_of_the_one_before() -> None:
    usual, kept = (
        int(subprocess.check_output([sys.executable, "-c", FAULTS, how], text=True))
        for how in ("usual", "kept")
    )
    assert kept < usual / 2
