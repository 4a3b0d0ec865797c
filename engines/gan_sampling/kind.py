"""What sampling a model takes. No torch here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from annotated_types import MaxLen
from pydantic import Field, ValidationInfo, field_validator

from engines.gan_training import arithmetic
from engines.gan_training.config import MOST_INNOVATION
from engines.kind import N_, Figure, Kind, Known, Misfit, Model, Params
from engines.pictures import MAX_PIXELS

MOST_SEED = 2**31 - 1
MOST_FRAMES = 4096
MOST_LINKS = 8
LABELS_NAMED = 30
NO_STYLES = (
    N_("The model knows no styles, so it cannot draw in '%(label)s'."),
    N_("Leave the style open, or choose a model that knows styles."),
)
OTHER_STYLES = (
    N_("The model knows no style '%(label)s'. It knows: %(known)s."),
    N_("Choose one of the styles it knows."),
)
NONE_TO_MIX = (
    N_("The model knows no styles, so an innovation of %(ours)s has none to mix."),
    N_("Leave it open, or choose a model that knows styles."),
)
TOO_MANY = (
    N_("%(count)s pictures of %(side)s px are too many; at most %(most)s fit."),
    N_("Draw fewer at a time, with another seed for each."),
)
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]


@dataclass(frozen=True)
class Link:
    """One step of the way to a sample: the draw ``seed``:``position``, ``spread`` away from
    where the way had come to; the first link starts with it (spread 1).

    Of the first link ``turn`` is the sample's place among pictures that took styles in turn, where
    that is not ``position``.
    """

    spread: float
    seed: int
    position: int
    turn: int | None = None


def parse_way(text: str) -> tuple[Link, ...]:
    """The links of ``7:12`` (sample 12 of seed 7) or ``7:12/0.3:0:4`` (its neighbour 4 of seed 0
    at spread 0.3), and so on, also as a picture's file is named; ValueError in words."""
    try:
        first, *more = _unnamed(text).split("/")
        where, at, turn = first.partition("@")
        links = [_link(f"1:{where}", int(turn) if at else None), *map(_link, more)]
    except ValueError:
        raise ValueError(
            N_("write the seed and the position of a sample, like 7:12, or its picture's name")
        ) from None
    if len(links) > MOST_LINKS:
        raise ValueError(f"at most {MOST_LINKS} links of neighbours are followed")
    return tuple(links)


def _link(text: str, turn: int | None = None) -> Link:
    spread, seed, position = text.split(":")
    link = Link(float(spread), int(seed), int(position), turn)
    if not (0 <= link.spread <= 1 and 0 <= link.seed <= MOST_SEED and 0 <= link.position < 4096):
        raise ValueError
    if not 0 <= (turn or 0) < 4096:
        raise ValueError
    return link


def file_name(way: tuple[Link, ...]) -> str:
    """What the picture of a way is called."""
    return way_text(way).replace("/", "~").replace(":", "-") + ".png"


def _unnamed(text: str) -> str:
    """The way that a file of :func:`file_name` is named by; a way that is none stays."""
    text = text.removesuffix(".png")
    # The dash of 1e-05 is no separator.
    return text if ":" in text else re.sub("(?<!e)-", ":", text).replace("~", "/")


class GanSamplingParams(Params):
    """Parameters of ``gan_sampling``; titles and descriptions are shown to people."""

    model: Model = Field(
        title=N_("Model"),
        description=N_("The trained model that draws."),
        json_schema_extra={"x-action": N_("Sample")},
    )
    mode: Literal["pictures", "grid", "film"] = Field(
        "pictures",
        title=N_("What to make"),
        description=N_("Pictures one by one, one sheet of them, or a film from one to the next."),
        json_schema_extra={
            "x-group": "main",
            "x-labels": {
                "pictures": N_("single pictures"),
                "grid": N_("one sheet"),
                "film": N_("a film"),
            },
        },
    )
    count: int = Field(
        16,
        ge=1,
        le=256,
        title=N_("How many"),
        description=N_("Pictures to draw; a film passes through as many and returns to the first."),
        json_schema_extra={"x-group": "main"},
    )
    truncation: float = Field(
        1.0,
        ge=0,
        le=2,
        title=N_("Boldness"),
        description=N_(
            "Truncation: every latent vector is multiplied by this. Below 1 the pictures are more"
            " typical and more alike, above 1 more daring and less clean."
        ),
        json_schema_extra={"x-group": "main"},
    )
    seed: int = Field(
        0,
        ge=0,
        le=MOST_SEED,
        title=N_("Seed"),
        description=N_("The same seed gives the same pictures."),
    )
    seeds: Annotated[list[Seed], MaxLen(16)] = Field(
        default_factory=list,
        title=N_("Seeds, one for each picture"),
        description=N_("Instead of one seed and a count: these pictures, in this order."),
    )
    near: str = Field(
        "",
        max_length=400,
        title=N_("Near this sample"),
        description=N_(
            "Seed and position of a sample you like, such as 7:12, or the name of its picture: the"
            " first is that sample, the others are its neighbours."
        ),
    )
    spread: float = Field(
        0.35,
        gt=0,
        le=1,
        title=N_("How far from it"),
        description=N_("Small stays close to the chosen sample; 1 is as far as any other."),
    )
    label: str = Field(
        "",
        max_length=200,
        title=N_("Style"),
        description=N_(
            "For a model that knows styles: the one to draw in. Left open, pictures take them in"
            " turn, neighbours keep to that of their sample, and a film to the first."
        ),
    )
    innovation: float | None = Field(
        None,
        ge=0,
        le=MOST_INNOVATION,
        title=N_("Innovation"),
        description=N_(
            "For a model that knows styles: 0 keeps to one in each picture; at 1 a third of it is"
            " of others, at 2 a half, and more beyond. Left open, as the model was trained to draw."
        ),
    )
    columns: int = Field(
        0,
        ge=0,
        le=64,
        title=N_("Columns of the sheet"),
        description=N_("0 makes it about square."),
    )
    frames: int = Field(
        24,
        ge=2,
        le=240,
        validate_default=True,
        title=N_("Frames from one picture to the next"),
        description=N_("More makes the film slower and smoother."),
    )
    frame_rate: int = Field(
        24,
        ge=1,
        le=50,
        title=N_("Frames per second"),
        description=N_("How fast the film plays."),
    )

    @field_validator("seeds")
    @classmethod
    def _as_many_as_a_film_needs(cls, seeds: list[int], known: ValidationInfo) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(N_("a seed stands there twice and would make the same picture again"))
        if len(seeds) == 1 and known.data.get("mode") == "film":
            raise ValueError(N_("a film needs at least 2 pictures to pass through"))
        return seeds

    @field_validator("count")
    @classmethod
    def _enough_for_a_film(cls, count: int, known: ValidationInfo) -> int:
        if known.data.get("mode") == "film" and count < 2:
            raise ValueError(N_("a film needs at least 2 pictures to pass through"))
        return count

    @field_validator("near")
    @classmethod
    def _a_way_to_a_sample(cls, near: str, known: ValidationInfo) -> str:
        if near and known.data.get("seeds"):
            raise ValueError(N_("give a list of seeds or a sample to stay near, not both"))
        if near:
            parse_way(near)
        return near

    @field_validator("frames")
    @classmethod
    def _short_enough(cls, frames: int, known: ValidationInfo) -> int:
        passed = len(known.data.get("seeds") or ()) or known.data.get("count", 0)
        if known.data.get("mode") == "film" and frames * passed > MOST_FRAMES:
            raise ValueError(
                f"a film has at most {MOST_FRAMES} frames; with {passed} pictures give at most"
                f" {MOST_FRAMES // passed}"
            )
        return frames

    def misfits(self, known: Known) -> Iterator[Misfit]:
        """A style that the model does not know, and more pictures than fit at its size."""
        found = known.models.get(self.model)
        if found is None:
            return
        config = found.config
        if self.label and not config.conditional:
            yield Misfit("label", *NO_STYLES, {"label": self.label})
        elif self.label and self.label not in config.labels:
            more = ["..."] if len(config.labels) > LABELS_NAMED else []
            styles = ", ".join([*config.labels[:LABELS_NAMED], *more])
            yield Misfit("label", *OTHER_STYLES, {"label": self.label, "known": styles})
        if self.innovation and not config.conditional:
            yield Misfit("innovation", *NONE_TO_MIX, {"ours": f"{self.innovation:g}"})
        most = MAX_PIXELS // config.resolution**2
        if self.mode != "film" and self.pictures > most:
            values = {"count": self.pictures, "side": config.resolution, "most": most}
            yield Misfit("count", *TOO_MANY, values)

    def arithmetic(self, known: Known) -> float | None:
        """The generator's, for every picture or frame; encoding them is not counted. None where the
        model is not known."""
        found = known.models.get(self.model)
        return None if found is None else self.drawn * arithmetic.making(found.config)

    @property
    def drawn(self) -> int:
        """How many pictures or frames are drawn."""
        return self.pictures * (self.frames if self.mode == "film" else 1)

    @property
    def pictures(self) -> int:
        """How many samples are drawn, or passed through."""
        return len(self.seeds) or self.count

    def way(self, position: int) -> tuple[Link, ...]:
        """The way to the sample at ``position``; ``near`` of a further job reaches it by
        :func:`way_text`."""
        if self.seeds:
            return (Link(1.0, self.seeds[position], 0),)
        if not self.near:
            return (Link(1.0, self.seed, position),)
        chosen = parse_way(self.near)
        return chosen if position == 0 else (*chosen, Link(self.spread, self.seed, position))

    @property
    def turn(self) -> int:
        """Where in the row of styles the first picture stands: neighbours stay where their sample
        stood."""
        if not self.near:
            return 0
        first = parse_way(self.near)[0]
        return first.position if first.turn is None else first.turn


def way_text(way: tuple[Link, ...]) -> str:
    """A way as the text that :func:`parse_way` reads."""
    first, *more = way
    turn = "" if first.turn is None else f"@{first.turn}"
    parts = [f"{link.spread!r}:{link.seed}:{link.position}" for link in more]
    return "/".join([f"{first.seed}:{first.position}{turn}", *parts])


def more_like(params: Mapping[str, Any], position: int) -> dict[str, Any] | None:
    """What makes neighbours of the picture at ``position`` of a job with these ``params``."""
    known = GanSamplingParams.model_validate(params)
    way = known.way(position)
    if known.mode != "pictures" or len(way) >= MOST_LINKS:
        return None
    if known.seeds and position and not known.label:
        way = (replace(way[0], turn=position),)
    names = ("model", "truncation", "label", "innovation")
    kept = {name: getattr(known, name) for name in names}
    return {**kept, "near": way_text(way), "spread": known.spread}


GAN_SAMPLING = Kind(
    name="gan_sampling",
    title=N_("Pictures from a model"),
    summary=N_("New pictures, sheets and films from a trained model."),
    params=GanSamplingParams,
    engine="engines.gan_sampling.engine:GanSampling",
    state_version=1,
    stall_seconds=120.0,
    more=more_like,
    # docs/bench.md, one core of two: dcgan 0.29 and light 0.45 of half a processor's product, less
    # what a picture's encoding takes.
    speed=0.2,
    figures={
        "variety": Figure(
            N_("Variety"),
            N_(
                "How much the pictures drawn together differ: 0 where all are alike. In a film they"
                " are neighbours."
            ),
        )
    },
)
