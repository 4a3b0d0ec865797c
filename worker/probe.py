"""Whether a slot's device still computes: asked in a fresh process after it answered an error.

``python -m worker.probe`` multiplies two matrices on the device and on the processor. A job can
break a device's context for its own process; only a device that fails a newcomer is broken.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from worker import forks, parting
from worker.slots import SlotSpec

PROGRAM = ("-m", "worker.probe")
PROBE_SECONDS = 120.0
SIDE = 256
LAST_WORDS = 500


def failure(slot: SlotSpec) -> str | None:
    """Why the slot's device cannot be used, in its own last words; None when it computes right."""
    command = [sys.executable, *PROGRAM, "--parent", str(os.getpid())]
    if slot.resource != "cpu":
        command.append("--gpu")
    try:
        done = subprocess.run(
            command,
            env=forks.environment(slot),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PROBE_SECONDS:g} s"
    if done.returncode == 0:
        return None
    return done.stderr.strip()[-LAST_WORDS:] or f"the probe exited with {done.returncode}"


def main() -> None:
    """Compute; whatever the device raises ends the process with an error."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--gpu", action="store_true")
    told = parser.parse_args()
    parting.die_with(told.parent)
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if told.gpu and device.type == "cpu":
        sys.exit("the device is no longer there")
    matrix = torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    there = matrix.to(device)
    apart = ((there @ there).cpu() - matrix @ matrix).abs().max().item()
    # Tensor cores round to ten bits; sums of SIDE products of unit size are about 16.
    if not apart < 1.0:
        sys.exit(f"a matrix product is off by {apart:g}")


if __name__ == "__main__":
    main()
