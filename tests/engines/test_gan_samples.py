"""The grid of samples: what it shows of each label, at which size, and in how much memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from engines.gan_training import samples
from engines.gan_training.config import ModelConfig, Resolution
from engines.gan_training.guard import spread


def config(resolution: Resolution, labels: int = 0) -> ModelConfig:
    """The shape of a maker that takes so many labels."""
    names = tuple(f"style {label}" for label in range(labels))
    return ModelConfig("light", resolution, 8, 4, names, conditional=labels > 0)


class Painter(nn.Module):
    """Makes pictures that tell their label and latent apart in every pixel; notes how many at
    once."""

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.where, self.side = nn.Parameter(torch.zeros(())), resolution
        self.at_once: list[int] = []

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        self.at_once.append(len(z))
        along = torch.linspace(0, 1, self.side)
        waves = (z[:, :1] * along * 7).sin()[:, :, None] * (z[:, 1:2] * along * 5).cos()[:, None]
        levels = torch.zeros(len(z)) if labels is None else labels / 16
        colours = torch.stack([levels, -levels, levels / 2], 1)[:, :, None, None]
        return (0.5 * waves[:, None] + 0.5 * colours).clamp(-1, 1)


@pytest.mark.parametrize(
    ("resolution", "labels", "layout"),
    [
        (32, 0, (8, 8, 32)),
        (64, 7, (8, 8, 64)),
        (128, 8, (8, 8, 128)),
        (128, 12, (16, 4, 64)),
        (256, 0, (4, 4, 256)),
        (256, 4, (4, 4, 256)),
        (256, 7, (8, 8, 128)),
        (512, 0, (4, 4, 256)),
        (512, 2, (4, 4, 256)),
        (512, 7, (8, 8, 128)),
        (512, 500, (16, 4, 64)),
    ],
)
def test_every_label_of_up_to_sixteen_has_a_column_of_four_samples_or_more(
    resolution: Resolution, labels: int, layout: tuple[int, int, int]
) -> None:
    shape = config(resolution, labels)
    assert samples.layout(shape) == layout
    columns, rows, cell = layout
    assert samples.shown(Painter(resolution), shape, 3).size == (columns * cell, rows * cell)
    assert max(columns, rows) * cell <= samples.LONGEST
    wanted = samples.fixed(shape, 3).labels
    if labels:
        assert wanted is not None
        by_column = wanted.view(rows, columns)
        assert (by_column == by_column[0]).all()
        assert set(by_column[0].tolist()) == set(range(min(labels, 16)))
    else:
        assert wanted is None


@pytest.mark.parametrize("labels", [0, 7])
def test_a_cell_is_the_sample_itself_seen_smaller_and_the_same_at_every_step(labels: int) -> None:
    shape = config(512, labels)
    whole = torch.cat(list(samples.made(Painter(512), samples.fixed(shape, 1))))
    cells = samples.cells(Painter(512), shape, 1)
    side = samples.layout(shape).cell
    means = whole.view(len(whole), 3, side, 512 // side, side, 512 // side).mean((3, 5))
    torch.testing.assert_close(cells, means)
    first, again = (np.array(samples.shown(Painter(512), shape, 1)) for _ in range(2))
    assert (first == again).all()
    assert (first != np.array(samples.shown(Painter(512), shape, 2))).any()


def test_where_there_is_room_samples_are_shown_as_they_are_made() -> None:
    shape = config(128, 8)
    whole = torch.cat(list(samples.made(Painter(128), samples.fixed(shape, 1))))
    assert torch.equal(samples.cells(Painter(128), shape, 1), whole)


def test_samples_are_as_different_seen_small_as_at_full_size() -> None:
    shape = config(256, 7)
    wanted = samples.fixed(shape, 1)
    whole = torch.cat(list(samples.made(Painter(256), wanted)))
    cells = samples.cells(Painter(256), shape, 1)
    assert spread(cells, wanted.labels) == pytest.approx(spread(whole, wanted.labels), rel=1e-5)


@pytest.mark.parametrize(("resolution", "most"), [(128, 32), (256, 8), (512, 2)])
def test_large_samples_are_made_few_at_a_time(resolution: Resolution, most: int) -> None:
    painter = Painter(resolution)
    shape = config(resolution, 7)
    samples.shown(painter, shape, 0)
    assert (max(painter.at_once), sum(painter.at_once)) == (most, 64)


def test_labels_that_the_grid_has_no_column_for_are_said_in_words() -> None:
    (said,) = samples.notices(config(32, 20))
    assert said.text.format(**said.values) == (
        "The grid of samples shows the first 16 of 20 labels, a column each: from style 0 to"
        " style 15. The others are learned as well: draw them with 'Sample' at the model."
    )
    assert not samples.notices(config(32, 16))
    assert not samples.notices(config(32))
    unlabelled = ModelConfig("light", 32, 8, 4, tuple(map(str, range(20))), styles=True)
    assert not samples.notices(unlabelled)
