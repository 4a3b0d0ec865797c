"""What the training of a model takes. No torch here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from annotated_types import MaxLen
from pydantic import Field, ValidationInfo, field_validator

from engines.gan_training import arithmetic, misfits
from engines.gan_training.config import (
    MOST_INNOVATION,
    NARROWEST,
    WIDEST,
    Architecture,
    Resolution,
)
from engines.gan_training.figures import FIGURES
from engines.kind import N_, Dataset, Kind, Known, Misfit, Model, Params

Policy = Literal["colour", "translation", "cutout"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
MIXING: Mapping[str, Any] = {"conditional": True, "variety": 1.0}
"""What mixing styles needs, where it is left open."""


class GanTrainingParams(Params):
    """Parameters of ``gan_training``; titles and descriptions are shown to people."""

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "draft": {
            "resolution": 64,
            "architecture": "dcgan",
            "width": 32,
            "batch": 32,
            "steps": 2000,
        },
        "standard": {
            "resolution": 128,
            "architecture": "light",
            "width": 32,
            "batch": 16,
            "steps": 20_000,
        },
        "fine": {
            "resolution": 256,
            "architecture": "light",
            "width": 64,
            "batch": 8,
            "steps": 60_000,
        },
    }

    dataset: Dataset = Field(
        title=N_("Pictures"),
        description=N_("The set of pictures whose hand is learned."),
        json_schema_extra={"x-action": N_("Train on it")},
    )
    preset: Literal["draft", "standard", "fine"] = Field(
        "draft",
        title=N_("Preset"),
        description=N_("Fills in size, networks and effort where you leave them open."),
        json_schema_extra={"x-group": "main"},
    )
    resolution: Resolution = Field(
        64,
        title=N_("Size"),
        description=N_("Side of the made pictures in pixels."),
        json_schema_extra={"x-group": "main"},
    )
    innovation: float = Field(
        0.0,
        ge=0,
        le=MOST_INNOVATION,
        title=N_("Innovation"),
        description=N_(
            "How far samples, and the finished model, leave the styles of the set: 0 imitates them;"
            " at 1 a third of each picture is of other styles, at 2 a half. Drawing from the model"
            " can turn it further. Needs a set with labels. Where you leave 'Learn the labels' and"
            " 'Variety' open, they are then on and 1."
        ),
        json_schema_extra={"x-group": "main"},
    )
    architecture: Architecture = Field(
        "dcgan",
        title=N_("Networks"),
        description=N_("dcgan is plain and quick; light is for small sets and larger pictures."),
    )
    width: int = Field(
        32,
        ge=NARROWEST,
        le=WIDEST,
        title=N_("Width of the networks"),
        description=N_("Channels of the first block: more can learn more, and takes longer."),
    )
    init_from: Model | None = Field(
        None,
        title=N_("Begin from a model"),
        description=N_(
            "A trained model to go on from. Size, networks, width and whether labels are learned"
            " are the model's where you leave them open."
        ),
        json_schema_extra={"x-action": N_("Fine-tune from here"), "x-trains": True},
    )
    freeze: int = Field(
        0,
        ge=0,
        le=7,
        title=N_("Frozen blocks"),
        description=N_(
            "How many of the judging network's first blocks stay as they are in the model that is"
            " begun from; more than it has are all."
        ),
    )
    conditional: bool = Field(
        False,
        title=N_("Learn the labels"),
        description=N_(
            "The model then makes pictures of a label that is asked for. Set 'Variety' to 1"
            " with it."
        ),
    )
    steps: int = Field(
        2000,
        ge=1,
        le=2_000_000,
        title=N_("Steps"),
        description=N_("How many batches are learned from."),
    )
    batch: int = Field(
        32, ge=2, le=256, title=N_("Batch"), description=N_("Pictures that one step learns from.")
    )
    loss: Literal["least_squares", "non_saturating", "hinge"] = Field(
        "least_squares",
        title=N_("Loss"),
        description=N_("How the judging network's verdicts are told as figures."),
        json_schema_extra={
            "x-labels": {
                "least_squares": N_("least squares"),
                "non_saturating": N_("non-saturating"),
                "hinge": N_("hinge"),
            }
        },
    )
    target_fake: float = Field(
        0.0,
        ge=-10,
        le=10,
        title=N_("Target a"),
        description=N_("Least squares: the verdict that made pictures should get."),
    )
    target_real: float = Field(
        1.0,
        ge=-10,
        le=10,
        validate_default=True,
        title=N_("Target b"),
        description=N_("Least squares: the verdict that real pictures should get."),
    )
    target_maker: float = Field(
        0.5,
        ge=-10,
        le=10,
        title=N_("Target c"),
        description=N_("Least squares: the verdict that the making network aims at."),
    )
    r1: float = Field(
        0.0,
        ge=0,
        le=1000,
        title=N_("Gradient penalty"),
        description=N_("R1: keeps the judging network smooth around real pictures; 0 is none."),
    )
    r1_interval: int = Field(
        16,
        ge=1,
        le=1000,
        title=N_("Steps between penalties"),
        description=N_("R1 is computed so seldom, and weighs the more."),
    )
    variety: float = Field(
        0.0,
        ge=0,
        le=10,
        title=N_("Variety"),
        description=N_(
            "Parts samples of a label while they are more alike than the pictures of the set; 0"
            " leaves them. Set 1 where labels are learned: without it a model soon makes one"
            " picture for each. The presets learn no labels and leave it at 0."
        ),
    )
    augmentation: Literal["diffaugment", "ada", "none"] = Field(
        "diffaugment",
        title=N_("Augmentation"),
        description=N_(
            "Shows the judging network changed pictures, so that a small set lasts longer: always"
            " (diffaugment) or as needed (ada)."
        ),
        json_schema_extra={
            "x-labels": {
                "diffaugment": N_("always (diffaugment)"),
                "ada": N_("as needed (ada)"),
            }
        },
    )
    policies: Annotated[list[Policy], MaxLen(3)] = Field(
        list(POLICIES),
        title=N_("Changes"),
        description=N_("What diffaugment changes; what is named twice counts once."),
        json_schema_extra={
            "x-labels": {
                "colour": N_("colour"),
                "translation": N_("place"),
                "cutout": N_("a part is blanked"),
            }
        },
    )
    mirror: bool = Field(
        True,
        title=N_("Mirror"),
        description=N_("Shows every second picture mirrored; not for sets with writing."),
    )
    maker_rate: float = Field(
        2e-4,
        gt=0,
        le=0.1,
        title=N_("Rate of the making network"),
        description=N_("How far one step goes (Adam)."),
    )
    judge_rate: float = Field(
        2e-4,
        gt=0,
        le=0.1,
        title=N_("Rate of the judging network"),
        description=N_("How far one step goes (Adam)."),
    )
    beta1: float = Field(
        0.5, ge=0, lt=1, title=N_("First beta"), description=N_("Adam's memory of directions.")
    )
    beta2: float = Field(
        0.999, ge=0, lt=1, title=N_("Second beta"), description=N_("Adam's memory of sizes.")
    )
    averaging: float = Field(
        0.999,
        ge=0,
        lt=1,
        title=N_("Averaging"),
        description=N_("Decay of the average of the making network, which is what is saved."),
    )
    samples_every: int = Field(
        100,
        ge=1,
        le=100_000,
        title=N_("Steps between samples"),
        description=N_(
            "How often the same samples are kept on the timeline; those of every measurement are"
            " too."
        ),
    )
    kid_every: int = Field(
        500,
        ge=1,
        le=100_000,
        title=N_("Steps between measurements"),
        description=N_("How often nearness to the set is measured; the nearest model is kept."),
    )
    kid_samples: int = Field(
        256,
        ge=8,
        le=5000,
        title=N_("Pictures for a measurement"),
        description=N_("How many pictures are made for it: more measures more exactly."),
    )
    deterministic: bool = Field(
        False,
        title=N_("Deterministic on graphics cards"),
        description=N_("The same numbers on every run of the same card, at some speed."),
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        title=N_("Seed"),
        description=N_("The same seed gives the same model."),
    )

    @classmethod
    def filled(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """What the preset fills in; and where styles are to be mixed, they are learned."""
        found = super().filled(given)
        return {**found, **MIXING} if _turned_up(given.get("innovation")) else found

    def misfits(self, known: Known) -> Iterator[Misfit]:
        """What needs labels, where there are none, and what a model that is begun from is not."""
        ours, begun = self.model_dump(), known.models.get(self.init_from or "")
        if found := known.sets.get(self.dataset):
            yield from misfits.of_set(ours, found, begun)
        if begun:
            yield from misfits.of_model(ours, begun)

    def arithmetic(self, known: Known) -> float:
        """See :mod:`.arithmetic`."""
        return arithmetic.training(self.model_dump(), known.sets.get(self.dataset))

    @field_validator("policies")
    @classmethod
    def _once(cls, policies: list[Policy]) -> list[Policy]:
        return list(dict.fromkeys(policies))

    @field_validator("freeze")
    @classmethod
    def _of_a_model(cls, freeze: int, known: ValidationInfo) -> int:
        if freeze and known.data.get("init_from", "") is None:
            raise ValueError(N_("freezing needs a model to begin from: choose one or freeze none"))
        return freeze

    @field_validator("target_real")
    @classmethod
    def _apart(cls, target: float, known: ValidationInfo) -> float:
        if known.data.get("loss") == "least_squares" and target == known.data.get("target_fake"):
            raise ValueError(N_("targets a and b must differ, or there is nothing to tell apart"))
        return target


def _turned_up(dial: object) -> bool:
    """Whether what was given for the dial, which nobody has checked yet, is above 0: it may be a
    text, which is taken for the number that it says."""
    try:
        return float(dial) > 0  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False


GAN_TRAINING = Kind(
    name="gan_training",
    title=N_("Training"),
    summary=N_("A set of pictures becomes a model that makes new ones."),
    params=GanTrainingParams,
    engine="engines.gan_training.engine:GanTraining",
    state_version=1,
    stall_seconds=300.0,
    pieces=True,
    # docs/bench.md: dcgan 0.57 to 0.62 of a processor's product, light 0.29 (8.5 images/s of 11.7
    # GFLOP each beside 344 GFLOP/s), which counts 1.7 times; both without augmentation.
    speed=0.5,
    snapshots=("now", "best"),
    works={
        "model.safetensors": N_("The model that was nearest to the set: draw with it, or go on."),
        "curves.png": N_("Distance to the set, losses and verdicts over the whole run."),
        "nearest.png": N_(
            "What it makes that is nearest to a picture of the set, each left of that picture."
            " About 1 is new work; below 0.3 it may be a copy."
        ),
        "report.json": N_("All that was measured, for programs."),
        "events.out.tfevents.0.atelier": N_("The curves for TensorBoard."),
    },
    figures=FIGURES,
)
