"""A child that never outlives its parent, and dies before it when memory runs out."""

from __future__ import annotations

from pathlib import Path

from engines.bounds import die_with

__all__ = ["die_with", "offer_to_oom_killer"]

OOM_SCORE = 500


def offer_to_oom_killer() -> None:
    """Let the kernel prefer this process over the services when memory runs out."""
    try:
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    except OSError:
        return  # a container may forbid it; the run itself does not depend on it
