"""Fixtures of the engines' tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engines.gan_training.model_file import save_model
from engines.vision import sets
from tests.engines.trainings import training


@pytest.fixture
def measured_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what does not hang on how large the measuring network sees pictures, as time does."""
    monkeypatch.setattr(sets, "SIDE", 32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model files by what they are."""
    folder, files = tmp_path_factory.mktemp("models"), {}
    kinds: dict[str, dict[str, Any]] = {
        "plain": {},
        "labelled": {"conditional": True, "innovation": 1.0},
        "light": {"architecture": "light"},
    }
    for name, changes in kinds.items():
        engine = training(steps=1, **changes)
        files[name] = folder / name
        weights = engine.pair.average.state_dict(), engine.pair.judge.state_dict()
        save_model(files[name], engine.config, *weights)
    files["no judge"] = folder / "no judge"
    save_model(files["no judge"], engine.config, engine.pair.average.state_dict(), None)
    return files
