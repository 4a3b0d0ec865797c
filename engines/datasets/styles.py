"""How each style of the sample art is drawn. Positions and lengths are shares of the side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Field = NDArray[np.float64]

# Each: a ground, then the colours that stand on it, from strong to quiet. Our own choices.
PALETTES: tuple[tuple[str, ...], ...] = (
    ("#f4ecdf", "#d1495b", "#1f3a5f", "#edae49", "#30638e", "#66a182", "#2e2a2b"),
    ("#12182b", "#ff7b54", "#ffd56b", "#5bc0be", "#b2b8e0", "#f25f8a", "#e9e4d4"),
    ("#f7f4ea", "#0b6e6e", "#f08a4b", "#8d2b3e", "#c9b458", "#274156", "#1c1c1c"),
    ("#fbf3f0", "#5f0f40", "#e36414", "#0f4c5c", "#fb8b24", "#9a031e", "#33272a"),
    ("#0f2a2e", "#f2c14e", "#f78154", "#b4e1b3", "#4d9078", "#ece5c7", "#d9594c"),
    ("#e9eef2", "#204e8a", "#e4572e", "#17bebb", "#ffc914", "#76448a", "#222831"),
)


class Hand:
    """A square canvas of ``side`` px and the draws that lead the hand. All draws are uniform:
    those stay the same from one NumPy to the next."""

    def __init__(self, side: int, draws: np.random.Generator) -> None:
        self.side, self._draws = side, draws
        palette = PALETTES[self.whole(0, len(PALETTES))]
        self.ground, *self.colours = [_rgb(code) for code in palette]
        self.fill(self.ground)

    def fill(self, colour: Colour) -> None:
        """Begin anew on a ground of one colour."""
        self.canvas = Image.new("RGB", (self.side, self.side), colour)
        self.pen = ImageDraw.Draw(self.canvas)

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * float(self._draws.random())

    def whole(self, low: int, high: int) -> int:
        """A whole number in [low, high)."""
        return low + int((high - low) * self._draws.random())

    def many(self, *shape: int) -> Field:
        """Numbers in [0, 1) of a shape."""
        return self._draws.random(shape)

    def chance(self, share: float) -> bool:
        """True in ``share`` of all cases."""
        return float(self._draws.random()) < share

    def colour(self) -> Colour:
        """One of the palette's colours, the ground left out."""
        return self.colours[self.whole(0, len(self.colours))]

    def at(self, *shares: float) -> list[float]:
        """Shares of the side as pixels."""
        return [share * self.side for share in shares]

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle."""
        self.pen.ellipse(self.at(x - radius, y - radius, x + radius, y + radius), fill=colour)

    def shape(self, points: Field, colour: Colour) -> None:
        """A filled polygon; ``points`` is (n, 2)."""
        self.pen.polygon([tuple(point) for point in (points * self.side).tolist()], fill=colour)

    def path(self, points: Field, width: float, colour: Colour) -> None:
        """A line of even width with round joints; ``points`` is (n, 2)."""
        line = [tuple(point) for point in (points * self.side).tolist()]
        self.pen.line(line, fill=colour, width=max(1, round(width * self.side)), joint="curve")

    def smooth(self, cells: int, points: int) -> Field:
        """Smooth noise in [0, 1], ``points`` squared, with about ``cells`` hills on a side."""
        coarse = Image.fromarray((255 * self.many(cells + 3, cells + 3)).astype(np.uint8))
        inner = (1.0, 1.0, cells + 2.0, cells + 2.0)
        fine = coarse.resize((points, points), Image.Resampling.BICUBIC, box=inner)
        return np.asarray(fine, dtype=np.float64) / 255


def flow_field(hand: Hand) -> None:
    """Strands that follow one smooth field of directions, in colours that change across it."""
    points = 96
    turns = hand.between(1.2, 2.6)
    angles = hand.smooth(hand.whole(2, 4), points) * turns * 2 * np.pi + hand.between(0, 2 * np.pi)
    hues = hand.smooth(2, points)
    colours = hand.colours
    width, length = hand.between(0.006, 0.012), hand.whole(18, 34)
    starts = hand.many(420, 2) * 1.2 - 0.1
    for start in starts:
        cell = np.clip(start * (points - 1), 0, points - 1).astype(int)
        colour = colours[int(hues[cell[1], cell[0]] * 0.999 * len(colours))]
        strand = _followed(angles, start, length, 0.012)
        hand.path(strand, width, _shaded(colour, hand.between(-0.12, 0.12)))


def colour_grid(hand: Hand) -> None:
    """A wall of coloured rectangles between dark bars, cut again and again."""
    bar = hand.between(0.008, 0.02)
    hand.fill(hand.colours[-1])
    depth = hand.whole(4, 6)
    for left, top, right, bottom in _cut(hand, (0.0, 0.0, 1.0, 1.0), depth):
        plain = hand.chance(0.35)
        colour = hand.ground if plain else hand.colours[hand.whole(0, len(hand.colours) - 1)]
        box = hand.at(left + bar / 2, top + bar / 2, right - bar / 2, bottom - bar / 2)
        if box[2] > box[0] and box[3] > box[1]:
            hand.pen.rectangle(box, fill=_shaded(colour, hand.between(-0.05, 0.05)))


def circles_and_wedges(hand: Hand) -> None:
    """Large discs, rings and wedges over a pale ground, tied by a few straight lines."""
    for _ in range(hand.whole(2, 4)):
        _wedge(hand, hand.between(0.35, 0.75))
    for _ in range(hand.whole(3, 6)):
        x, y = hand.between(0.1, 0.9), hand.between(0.1, 0.9)
        radius = hand.between(0.07, 0.24)
        rings = hand.whole(1, 4)
        for ring in range(rings):
            hand.disc(x, y, radius * (1 - ring / rings), hand.colour())
    for _ in range(hand.whole(3, 7)):
        ends = hand.many(2, 2) * 1.2 - 0.1
        hand.path(ends, hand.between(0.004, 0.012), hand.colours[-1])
    for _ in range(hand.whole(3, 8)):
        hand.disc(hand.between(0, 1), hand.between(0, 1), hand.between(0.01, 0.03), hand.colour())


def op_art_waves(hand: Hand) -> None:
    """Even stripes bent by hidden hills: black and white, or two tones."""
    dark, pale = (16, 16, 20), (246, 244, 238)
    if hand.chance(0.25):
        dark = _shaded(hand.colours[0], -0.35)
    stripes = hand.whole(9, 17)
    rows = np.linspace(0, 1, hand.side)[:, None]
    columns = np.linspace(0, 1, hand.side)[None, :]
    if hand.chance(0.5):
        rows, columns = columns, rows
    bend = np.zeros((hand.side, hand.side))
    for _ in range(hand.whole(2, 4)):
        x, y, reach = hand.between(0.15, 0.85), hand.between(0.15, 0.85), hand.between(0.1, 0.26)
        away = ((rows - y) ** 2 + (columns - x) ** 2) / reach**2
        bend += (1 if hand.chance(0.5) else -1) * hand.between(0.8, 2.2) * np.exp(-away)
    sway = hand.between(0.1, 0.7) * np.sin(2 * np.pi * (columns * hand.between(0.5, 2)))
    light = (rows * stripes + bend + sway) % 1.0 < 0.5
    tones = np.array([dark, pale], dtype=np.uint8)
    hand.canvas.paste(Image.fromarray(tones[light.astype(int)]))


def dots(hand: Hand) -> None:
    """Rings of dots around a few centres, on a dark ground."""
    hand.fill(_shaded(hand.colours[-1], -0.75))
    step = hand.between(0.045, 0.062)
    centres = hand.many(hand.whole(2, 5), 2) * 0.9 + 0.05
    first = hand.whole(0, len(hand.colours))
    for number, centre in enumerate(centres):
        for ring in range(int(1.5 / step)):
            colour = _lit(hand.colours[(first + ring // 2 + number) % len(hand.colours)])
            count = max(1, round(2 * np.pi * ring))
            angles = hand.between(0, 2 * np.pi) + 2 * np.pi * np.arange(count) / count
            spots = centre + ring * step * np.stack([np.cos(angles), np.sin(angles)], axis=1)
            away = ((spots[:, None] - centres[None]) ** 2).sum(axis=2)
            mine = spots[away.argmin(axis=1) == number]
            for x, y in mine[(np.abs(mine - 0.5) < 0.6).all(axis=1)].tolist():
                hand.disc(x, y, step * hand.between(0.3, 0.42), colour)


def ink(hand: Hand) -> None:
    """Broad strokes of a dry brush, drops and one seal, on rice paper."""
    hand.fill((243 - hand.whole(0, 8), 238 - hand.whole(0, 8), 224 - hand.whole(0, 12)))
    for _ in range(hand.whole(2, 5)):
        _brush_stroke(hand)
    for _ in range(hand.whole(6, 22)):
        x, y = hand.between(0.05, 0.95), hand.between(0.05, 0.95)
        grey = hand.whole(18, 70)
        hand.disc(x, y, hand.between(0.003, 0.018), (grey, grey, grey + 4))
    soft = hand.canvas.filter(ImageFilter.GaussianBlur(hand.side / 500))
    hand.canvas.paste(soft)
    corner = hand.between(0.05, 0.1), hand.between(0.82, 0.86)
    if hand.chance(0.7):
        hand.pen.rectangle(
            hand.at(corner[0], corner[1], corner[0] + 0.07, corner[1] + 0.08), fill=(178, 42, 34)
        )


def ridges(hand: Hand) -> None:
    """Mountains behind mountains, paler with distance, under one sun."""
    far, near = _lit(hand.colours[hand.whole(0, 5)]), _shaded(hand.colours[hand.whole(0, 5)], -0.6)
    sky = _mixed(far, (255, 250, 240), 0.7)
    low = _mixed(far, (255, 214, 170), 0.5)
    shares = np.linspace(0, 1, hand.side)[:, None]
    column = np.array(sky) * (1 - shares) + np.array(low) * shares
    rows = np.repeat(column[:, None, :], hand.side, axis=1)
    hand.canvas.paste(Image.fromarray(rows.astype(np.uint8)))
    warm = max(hand.colours, key=lambda colour: colour[0] - colour[2])
    sun = _mixed(warm, (255, 244, 220), hand.between(0, 0.6))
    x, y, radius = hand.between(0.15, 0.85), hand.between(0.12, 0.4), hand.between(0.05, 0.12)
    hand.disc(x, y, radius, sun)
    layers = hand.whole(4, 7)
    across = np.linspace(0, 1, 160)
    for layer in range(layers):
        share = (layer + 1) / layers
        height = 0.32 + 0.6 * share - 0.06
        rough = _rough(hand, across, 0.16 * (1.15 - 0.6 * share))
        crest = np.stack([across, height - rough], axis=1)
        ground = np.array([[1.0, 1.1], [0.0, 1.1]])
        hand.shape(np.concatenate([crest, ground]), _mixed(low, near, 0.15 + 0.85 * share))


def _followed(angles: Field, start: Field, steps: int, stride: float) -> Field:
    points = len(angles)
    x, y = float(start[0]), float(start[1])
    trail = [(x, y)]
    for _ in range(steps):
        column = min(points - 1, max(0, int(x * points)))
        row = min(points - 1, max(0, int(y * points)))
        angle = angles[row, column]
        x, y = x + stride * float(np.cos(angle)), y + stride * float(np.sin(angle))
        trail.append((x, y))
    return np.array(trail)


def _cut(hand: Hand, box: tuple[float, ...], depth: int) -> list[tuple[float, ...]]:
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    if depth == 0 or max(wide, high) < 0.12 or (depth < 3 and hand.chance(0.18)):
        return [box]
    share = hand.between(0.28, 0.72)
    if wide > high:
        middle = left + share * wide
        halves = (left, top, middle, bottom), (middle, top, right, bottom)
    else:
        middle = top + share * high
        halves = (left, top, right, middle), (left, middle, right, bottom)
    return [part for half in halves for part in _cut(hand, half, depth - 1)]


def _wedge(hand: Hand, reach: float) -> None:
    tip = hand.many(2) * 0.8 + 0.1
    angle, spread = hand.between(0, 2 * np.pi), hand.between(0.12, 0.42)
    sides = [
        tip + reach * np.array([np.cos(angle + turn), np.sin(angle + turn)])
        for turn in (-spread, spread)
    ]
    hand.shape(np.array([tip, *sides]), hand.colour())


def _brush_stroke(hand: Hand) -> None:
    """Many thin hairs side by side along one bent line; some lift off before its end."""
    ends = hand.many(4, 2) * np.array([1.0, 0.8]) + np.array([0.0, 0.1])
    along = np.linspace(0, 1, 40)[:, None]
    back = 1 - along
    middle = (
        back**3 * ends[0]
        + 3 * back**2 * along * ends[1]
        + 3 * back * along**2 * ends[2]
        + along**3 * ends[3]
    )
    heading = np.gradient(middle, axis=0)
    across = np.stack([-heading[:, 1], heading[:, 0]], axis=1)
    across /= np.maximum(1e-6, np.linalg.norm(across, axis=1, keepdims=True))
    width = hand.between(0.025, 0.075)
    pressure = (0.35 + 0.65 * np.sin(np.pi * np.linspace(0.12, 0.95, 40)))[:, None]
    grey = hand.whole(14, 60)
    for place in np.linspace(-1, 1, 34):
        first, last = hand.whole(0, 3), 40 - (hand.whole(0, 22) if hand.chance(0.45) else 0)
        tone = min(200, grey + hand.whole(0, 34) + int(40 * abs(place) * hand.between(0, 1)))
        hair = middle + across * pressure * width * place
        hand.path(hair[first:last], width / 13, (tone, tone, tone + 4))


def _rough(hand: Hand, across: Field, height: float) -> Field:
    crest = np.zeros_like(across)
    for octave in range(5):
        pace = 1.3 * 1.9**octave
        crest += np.sin(2 * np.pi * (pace * across + hand.between(0, 1))) / 1.75**octave
    return height * crest / 2


def _rgb(code: str) -> Colour:
    red, green, blue = (int(code[start : start + 2], 16) for start in (1, 3, 5))
    return red, green, blue


def _mixed(first: Sequence[int], second: Sequence[int], share: float) -> Colour:
    """``first`` at 0, ``second`` at 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _shaded(colour: Colour, amount: float) -> Colour:
    """Lighter for a positive amount, darker for a negative one; 1 is white, -1 black."""
    return _mixed(colour, (255, 255, 255) if amount > 0 else (0, 0, 0), abs(amount))


def _lit(colour: Colour) -> Colour:
    """A colour bright enough to stand on a dark ground."""
    return _mixed(colour, (255, 255, 255), 0.45) if sum(colour) < 300 else colour
