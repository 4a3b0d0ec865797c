"""What a check found, for people: counts, and warnings that a beginner understands. No torch here.

A report is plain JSON; texts in it are codes with values, put into words where they are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from engines.datasets.unpacking import UNSORTED
from engines.kind import N_

FEW, SOME = 200, 1000
THIN_LABEL = 20
UNEVEN = 5
SMALL_SIDE, SMALL_SHARE = 128, 0.1
OBLONG, OBLONG_SHARE = 1.6, 0.3
LISTED = 100
# Upper ends of the classes of the short side, in pixels; the last class is open.
CLASSES = (64, 128, 256, 512, 1024)
# What the disk is told for: bytes of a prepared array are 3 a pixel.
RESOLUTIONS = (64, 128, 256, 512)

WARNINGS: Mapping[str, str] = {
    "very_few": N_(
        "A set of %(count)s: a model will remember the pictures rather than learn from them;"
        " %(better)s or more are better."
    ),
    "few": N_("A set of %(count)s is enough to begin; %(better)s or more give more variety."),
    "uneven": N_(
        "The labels are very uneven: %(most)s has %(most_count)s, %(least)s only"
        " %(least_count)s. What has few is learned poorly: bring more of it, or take some away."
    ),
    "thin": N_("Fewer than %(limit)s pictures are labelled %(labels)s: too few to learn from."),
    "unsorted": N_(
        "In no sub-folder, beside pictures that are in one: %(count)s. They are labelled"
        " 'unsorted'; put them where they belong, or take them out."
    ),
    "small": N_(
        "%(count)s of %(total)s pictures are smaller than %(side)s px on the short side. Train at"
        " 64 px, or bring larger ones: enlarged pictures look soft."
    ),
    "oblong": N_(
        "%(count)s of %(total)s pictures are far from square; training sees the middle square of"
        " each. Cut them yourself where the middle is not what matters."
    ),
    "unreadable": N_("Files left out because they could not be read as pictures: %(count)s."),
    "duplicates": N_("Copies left out: %(count)s. Each picture is kept once."),
    "two_labels": N_(
        "Under two labels at once: %(count)s. Each is kept under the first, which may be wrong."
    ),
    "near": N_(
        "Nearly like another picture: %(count)s. A model gives them the more weight: take"
        " out what is not meant."
    ),
    "unlicensed": N_("Nothing is noted about where the pictures come from and who may use them."),
    "known_already": N_("You have this very set already, as '%(name)s'."),
}


@dataclass(frozen=True)
class Unfit:
    """A file that was left out: its name, and why, as a code of the pictures' or archives'."""

    name: str
    code: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """A picture that is kept: its name, label, size in pixels and in bytes."""

    name: str
    label: str | None
    width: int
    height: int
    size: int


@dataclass
class Findings:
    """Everything a check found. ``twice`` names pictures left out as exact copies, with the one
    that is kept; ``near`` holds positions in ``fit`` of look-alikes."""

    fit: Sequence[Fit]
    unfit: Sequence[Unfit] = ()
    twice: Sequence[tuple[str, str]] = ()
    two_labels: int = 0
    near: Sequence[tuple[int, int]] = ()
    ignored: int = 0
    seconds: float = 0.0


def report(found: Findings) -> dict[str, Any]:
    """The report of a set that is ready: JSON, see ``docs/api.md`` for its fields."""
    sides = [min(fit.width, fit.height) for fit in found.fit]
    labels = Counter(fit.label for fit in found.fit if fit.label is not None)
    return {
        "pictures": len(found.fit),
        "bytes": sum(fit.size for fit in found.fit),
        "labels": dict(sorted(labels.items())),
        "short_side": {"least": min(sides), "median": round(median(sides)), "most": max(sides)},
        "sizes": _classes(sides),
        "unreadable": _listed(found.unfit, [vars(unfit) for unfit in found.unfit[:LISTED]]),
        "duplicates": _listed(found.twice, [list(pair) for pair in found.twice[:LISTED]]),
        "near_duplicates": _near(found),
        "ignored": found.ignored,
        "disk": {str(side): 3 * side * side * len(found.fit) for side in RESOLUTIONS},
        "prepare_seconds": round(found.seconds, 2),
        "warnings": [{"code": code, "values": values} for code, values in _warnings(found)],
    }


def _listed(all_of_them: Sequence[Any], shown: list[Any]) -> dict[str, Any]:
    return {"count": len(all_of_them), "shown": shown}


def _near(found: Findings) -> dict[str, Any]:
    """Look-alikes by their names, and their positions in the pack for whoever shows them."""
    positions = [list(pair) for pair in found.near[:LISTED]]
    names = [[found.fit[position].name for position in pair] for pair in positions]
    return {**_listed(found.near, names), "positions": positions}


def _classes(sides: Sequence[int]) -> list[dict[str, int | None]]:
    """How many short sides lie in each class, from the first to the last that is not empty."""
    lows, highs = (0, *CLASSES), (*CLASSES, None)
    rows: list[dict[str, int | None]] = [
        {
            "from": low,
            "below": high,
            "count": sum(low <= side < (high or side + 1) for side in sides),
        }
        for low, high in zip(lows, highs, strict=True)
    ]
    filled = [position for position, row in enumerate(rows) if row["count"]]
    return rows[filled[0] : filled[-1] + 1]


def _warnings(found: Findings) -> Iterator[tuple[str, dict[str, Any]]]:
    count = len(found.fit)
    if count < FEW:
        yield "very_few", {"count": count, "better": FEW}
    elif count < SOME:
        yield "few", {"count": count, "better": SOME}
    yield from _of_labels(Counter(fit.label for fit in found.fit if fit.label is not None))
    small = sum(min(fit.width, fit.height) < SMALL_SIDE for fit in found.fit)
    if small > SMALL_SHARE * count:
        yield "small", {"count": small, "total": count, "side": SMALL_SIDE}
    oblong = sum(
        max(fit.width, fit.height) > OBLONG * min(fit.width, fit.height) for fit in found.fit
    )
    if oblong > OBLONG_SHARE * count:
        yield "oblong", {"count": oblong, "total": count}
    for code, many in (
        ("unreadable", len(found.unfit)),
        ("duplicates", len(found.twice)),
        ("two_labels", found.two_labels),
        ("near", len(found.near)),
    ):
        if many:
            yield code, {"count": many}


def _of_labels(labels: Counter[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    if not labels:
        return
    (most, most_count), (least, least_count) = (
        max(labels.items(), key=lambda row: (row[1], row[0])),
        min(labels.items(), key=lambda row: (row[1], row[0])),
    )
    if most_count > UNEVEN * least_count:
        yield (
            "uneven",
            {
                "most": most,
                "most_count": most_count,
                "least": least,
                "least_count": least_count,
            },
        )
    thin = sorted(label for label, count in labels.items() if count < THIN_LABEL)
    if thin:
        yield "thin", {"limit": THIN_LABEL, "labels": ", ".join(thin[:10])}
    if UNSORTED in labels:
        yield "unsorted", {"count": labels[UNSORTED]}
