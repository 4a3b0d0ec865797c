"""Ada's desk, where sets of pictures are brought and checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commissions import Studio
from tests.jobs.stored.desk import Desk


@pytest.fixture
def desk(ada: Studio, tmp_path: Path) -> Desk:
    """Ada's desk."""
    return Desk(ada, tmp_path)
