"""Curves and pairs as pictures, drawn with Pillow: legible, light, without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engines.datasets.prepared import Pixels

Colour = tuple[int, int, int]
PAPER, INK, FAINT = (255, 255, 255), (40, 40, 40), (222, 222, 222)
COLOURS: tuple[Colour, ...] = ((0, 90, 160), (200, 80, 20), (30, 130, 70), (130, 60, 150))
WIDTH, PANEL, MARGIN, TEXT = 960, 260, 72, 15
TICKS = 4


@dataclass(frozen=True)
class Curve:
    """One line: its name, and y at x; ``low`` and ``high`` are drawn as a band."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


def curves(panels: Sequence[tuple[str, Sequence[Curve]]]) -> Image.Image:
    """One panel below another, each with a title and its curves over the same steps."""
    picture = Image.new("RGB", (WIDTH, PANEL * len(panels)), PAPER)
    last = max((x for _, lines in panels for line in lines for x in line.x), default=1.0)
    for position, (title, lines) in enumerate(panels):
        _Panel(picture, position * PANEL, max(last, 1.0)).draw(title, lines)
    return picture


def pairs(left: Pixels, right: Pixels, captions: Sequence[str], columns: int = 4) -> Image.Image:
    """Pairs of pictures (n, R, R, 3) beside each other, a caption below each pair."""
    side = max(64, left.shape[1])
    columns = min(columns, max(1, len(left)))
    cell = (2 * side + 12, side + TEXT + 12)
    rows = max(1, math.ceil(len(left) / columns))
    sheet = Image.new("RGB", (columns * cell[0], rows * cell[1]), PAPER)
    pen = ImageDraw.Draw(sheet)
    for position, caption in enumerate(captions):
        x, y = (position % columns) * cell[0] + 4, (position // columns) * cell[1] + 4
        for shift, pixels in ((0, left[position]), (side + 2, right[position])):
            picture = Image.fromarray(np.ascontiguousarray(pixels))
            if picture.width != side:
                picture = picture.resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(picture, (x + shift, y))
        pen.text((x, y + side + 2), caption, INK, _font(12))
    return sheet


class _Panel:
    """A plot ``PANEL`` px high, from ``top`` down, over 0 to ``last`` steps."""

    def __init__(self, picture: Image.Image, top: int, last: float) -> None:
        self._pen = ImageDraw.Draw(picture, "RGBA")
        self._top, self._last = top + 34, last
        self._bottom, self._left, self._right = top + PANEL - 30, MARGIN, WIDTH - 24
        self._low, self._high = 0.0, 1.0

    def draw(self, title: str, lines: Sequence[Curve]) -> None:
        self._scale(lines)
        self._frame()
        self._pen.text((self._left, self._top - 24), title, INK, _font(TEXT))
        x = self._left + 16 + self._pen.textlength(title, _font(TEXT))
        for line, colour in zip(lines, COLOURS, strict=False):
            self._pen.text((x, self._top - 24), line.name, colour, _font(TEXT))
            x += 16 + self._pen.textlength(line.name, _font(TEXT))
            self._line(line, colour)

    def _scale(self, lines: Sequence[Curve]) -> None:
        values = [v for line in lines for part in (line.y, line.low, line.high) for v in part or ()]
        low, high = min(values, default=0.0), max(values, default=1.0)
        room = (high - low) * 0.05 or 0.5
        self._low, self._high = low - room, high + room

    def _frame(self) -> None:
        for tick in range(TICKS + 1):
            value = self._low + (self._high - self._low) * tick / TICKS
            y = self._y(value)
            self._pen.line([(self._left, y), (self._right, y)], FAINT)
            self._pen.text((self._left - 6, y), f"{value:.3g}", INK, _font(12), anchor="rm")
            step = self._last * tick / TICKS
            place = (self._x(step), self._bottom + 6)
            self._pen.text(place, f"{step:.0f}", INK, _font(12), anchor="ma")

    def _line(self, line: Curve, colour: Colour) -> None:
        if line.low is not None and line.high is not None and len(line.x) > 1:
            there = [(self._x(x), self._y(v)) for x, v in zip(line.x, line.high, strict=True)]
            back = [(self._x(x), self._y(v)) for x, v in zip(line.x, line.low, strict=True)]
            self._pen.polygon(there + back[::-1], (*colour, 48))
        points = [(self._x(x), self._y(v)) for x, v in zip(line.x, line.y, strict=True)]
        if len(points) > 1:
            self._pen.line(points, colour, 2, joint="curve")
        for x, y in points if len(points) < 40 else ():
            self._pen.ellipse((x - 3, y - 3, x + 3, y + 3), colour)

    def _x(self, step: float) -> float:
        return self._left + (self._right - self._left) * step / self._last

    def _y(self, value: float) -> float:
        share = (value - self._low) / (self._high - self._low)
        return self._bottom - (self._bottom - self._top) * share


def _font(size: int) -> Any:
    return ImageFont.load_default(size)
