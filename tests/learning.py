"""The smallest kind that learns from a dataset, for tests that need no more than its name."""

from __future__ import annotations

from engines.kind import Dataset, Kind, Params


class LearningParams(Params):
    """Its parameters."""

    dataset: Dataset


LEARNING = Kind("learning", "Learning", "Learns.", LearningParams, "engines.none:None", 1, 60.0)
