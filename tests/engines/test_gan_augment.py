"""Augmentation: what moves where, and that gradients go back the same way."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from engines.gan_training import augment, warp
from engines.gan_training.augment import Changes
from engines.gan_training.kind import GanTrainingParams
from engines.state import generator
from tests.engines import tiny

NONE = torch.tensor([[1.0], [0.0], [0.0]])
TURNS = [torch.linalg.matrix_power(torch.tensor([[0, -1], [1, 0]]), k) for k in range(4)]


def _changes(turn: torch.Tensor = TURNS[0], shift: tuple[int, int] = (0, 0)) -> Changes:
    return Changes(NONE, torch.zeros(1), turn[None], torch.tensor([shift]), None)


def _drawn(augmentation: str, p: float = 1.0, n: int = 64) -> Changes:
    params = GanTrainingParams(dataset=tiny.SET, resolution=32, augmentation=augmentation)
    found = augment.draw(params, p, n, generator(0, "augmentation", 0))
    assert found is not None
    return found


@pytest.mark.parametrize("quarters", range(4))
def test_a_turn_is_a_turn(quarters: int) -> None:
    pictures = torch.rand(1, 3, 8, 8)
    turned = augment.apply(_changes(TURNS[quarters]), pictures)
    wanted = {torch.equal(turned, torch.rot90(pictures, k, (2, 3))) for k in (quarters, -quarters)}
    assert True in wanted


def test_a_shift_moves_whole_pixels_and_grey_comes_in() -> None:
    pictures = torch.rand(1, 3, 8, 8)
    moved = augment.apply(_changes(shift=(2, -1)), pictures)
    assert torch.equal(moved[..., 2:, :7], pictures[..., :6, 1:])
    assert moved[..., :2, :].abs().max() == moved[..., 7].abs().max() == 0


def test_colour_follows_the_formula_of_brightness_saturation_and_contrast() -> None:
    pictures, light, saturation, contrast = torch.rand(1, 3, 8, 8), 0.3, 1.4, 0.7
    factors = torch.tensor([[contrast * saturation], [contrast * (1 - saturation)], [1 - contrast]])
    changes = Changes(
        factors, torch.tensor([light]), TURNS[0][None], torch.zeros(1, 2).long(), None
    )
    wanted = pictures + light
    wanted = (wanted - wanted.mean(1, keepdim=True)) * saturation + wanted.mean(1, keepdim=True)
    middle = wanted.mean((1, 2, 3), keepdim=True)
    wanted = (wanted - middle) * contrast + middle
    torch.testing.assert_close(augment.apply(changes, pictures), wanted)


def test_cutout_blanks_at_most_a_quarter_and_leaves_the_rest() -> None:
    changes = _drawn("diffaugment")
    assert changes.cut is not None
    blanked = 1 - augment._kept(changes.cut, 32).double().mean((1, 2, 3))
    assert 0 < blanked.min() <= blanked.max() <= 0.25


@pytest.mark.parametrize("augmentation", ["diffaugment", "ada"])
def test_gradients_go_back_where_the_pixels_came_from_once_and_twice(augmentation: str) -> None:
    changes = _drawn(augmentation, n=3)
    small = torch.rand(3, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    for picture in range(3):
        part = changes.part(picture, picture + 1)
        one = small[picture : picture + 1]
        weights = torch.rand(1, 3, 32, 32, dtype=torch.float64)
        (slope,) = torch.autograd.grad((augment.apply(part, one) * weights).sum(), small)
        # Every change is affine: a difference is exactly the gradient times the step.
        step = torch.rand(1, 3, 32, 32, dtype=torch.float64)
        with torch.no_grad():
            change = ((augment.apply(part, one + step) - augment.apply(part, one)) * weights).sum()
        torch.testing.assert_close((slope[picture] * step).sum(), change)
    changed = augment.apply(changes, small).square().sum()
    (first,) = torch.autograd.grad(changed, small, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), small)
    assert second.abs().max() > 0


def test_ada_changes_nothing_at_probability_zero_and_almost_all_at_one() -> None:
    pictures = torch.rand(64, 3, 32, 32)
    torch.testing.assert_close(augment.apply(_drawn("ada", 0.0), pictures), pictures)
    changed = augment.apply(_drawn("ada", 1.0), pictures)
    assert all(not torch.allclose(a, b) for a, b in zip(changed, pictures, strict=True))


def _stripes(side: int, vertical: bool) -> torch.Tensor:
    """One picture (1, 3, S, S) of a soft wave along x, or along y."""
    wave = (torch.arange(side) * (2 * torch.pi / 16)).sin()
    picture = wave.expand(side, side) if vertical else wave[:, None].expand(side, side)
    return picture.expand(1, 3, side, side).contiguous()


def _map(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor([rows])


@pytest.mark.parametrize(
    ("map_", "wanted"),
    [
        # Taken from twice as near the middle: twice as large. A quarter turn. Moved by a quarter.
        (_map([[0.5, 0, 0], [0, 0.5, 0]]), "large"),
        (_map([[0.0, 1, 0], [-1, 0, 0]]), "turned"),
        (_map([[1.0, 0, -0.5], [0, 1, 0]]), "moved"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_warp_scales_turns_and_moves_and_mirrors_at_the_edges(
    map_: torch.Tensor, wanted: str
) -> None:
    picture = _stripes(64, vertical=True)
    found = warp.apply(map_, picture)
    along = torch.arange(64)
    if wanted == "large":
        places = (along - 31.5) / 2 + 31.5
    elif wanted == "turned":
        torch.testing.assert_close(found, _stripes(64, vertical=False), atol=0.05, rtol=0)
        return
    else:
        places = (along - 16).abs().float() - (along < 16).float()  # mirrored at the left edge
    row = (places * (2 * torch.pi / 16)).sin().expand(1, 3, 64, 64)
    torch.testing.assert_close(found, row, atol=0.05, rtol=0)


def test_a_warp_leaves_to_the_bit_what_it_does_not_change_and_shrinks_without_aliasing() -> None:
    pictures = torch.rand(2, 3, 32, 32)
    maps = torch.cat([_map([[1.0, 0, 0], [0, 1, 0]]), _map([[2.0, 0, 0], [0, 2, 0]])])
    changed = warp.apply(maps, pictures)
    assert torch.equal(changed[0], pictures[0])
    # The finest checks, half as large, are grey and not checks of another kind.
    checks = ((torch.arange(64)[:, None] + torch.arange(64)) % 2 * 2.0 - 1).expand(1, 3, 64, 64)
    assert warp.apply(_map([[2.0, 0, 0], [0, 2, 0]]), checks.contiguous()).abs().max() < 1e-5


def test_a_warp_is_exact_where_the_networks_reckon_in_half_the_bits() -> None:
    """As on graphics cards."""
    pictures, changes = torch.rand(8, 3, 32, 32, requires_grad=True), _drawn("ada", n=8)
    plain = augment.apply(changes, pictures)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = augment.apply(changes, pictures)
    slopes = [torch.autograd.grad(each.square().sum(), pictures)[0] for each in (found, plain)]
    assert torch.equal(found, plain)
    assert torch.equal(*slopes)


def test_what_adas_warps_draw_has_the_papers_spread() -> None:
    maps = warp.draw(1.0, 4000, generator(0, "augmentation", 0))
    areas = torch.linalg.det(maps[:, :, :2]).log2() / 2  # anisotropic scale keeps the area
    assert areas.std() == pytest.approx(0.2, rel=0.1)
    stretch = torch.linalg.svdvals(maps[:, :, :2])
    assert (stretch[:, 0] / stretch[:, 1]).log2().square().mean().sqrt() / 2 == pytest.approx(
        0.2, rel=0.1
    )
    move = torch.linalg.solve(maps[:, :, :2], -maps[:, :, 2])
    assert move.std() / 2 == pytest.approx(0.125, rel=0.1)
    half = warp.draw(0.5, 4000, generator(0, "augmentation", 0))
    identity = (half == torch.eye(2, 3)).all(2).all(1).double().mean()
    assert identity == pytest.approx(0.5**4, rel=0.25)


def test_what_ada_moves_leaves_no_grey_behind() -> None:
    """Else the judge could tell a changed picture by its edge, and the maker would learn to draw
    it."""
    white = torch.ones(64, 3, 32, 32)
    changes = replace(_drawn("ada"), colour=NONE.expand(3, 64), light=torch.zeros(64))
    torch.testing.assert_close(augment.apply(changes, white), white)


def test_adas_probability_follows_the_sign_in_the_papers_steps_within_its_bounds() -> None:
    step = 32 * 4 / 500_000
    assert augment.next_probability(0.5, 0.7, 32) == pytest.approx(0.5 + step)
    assert augment.next_probability(0.5, 0.5, 32) == pytest.approx(0.5 - step)
    assert augment.next_probability(0.0, -1.0, 32) == 0.0
    assert augment.next_probability(1.0, 1.0, 32) == 1.0
