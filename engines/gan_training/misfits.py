"""What of a training does not fit its set of pictures or the model it goes on from. No torch here.

Asked when a job is commissioned and again when its run starts, so that both say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engines.gan_training.config import LATENT
from engines.kind import N_, Misfit, SetFacts
from engines.models import ModelFacts

FEWEST = 8
"""Pictures below which nothing can be learned, nor measured."""

TOO_FEW = N_("The set has %(count)s pictures; at least %(fewest)s are needed.")
ADD_SOME = N_("Add pictures to the set, or learn from another.")
NO_STYLES = (
    N_("The set has fewer than two labels, and an innovation of %(ours)s needs them."),
    N_("Put the pictures of each style into a sub-folder of its own, or choose 0."),
)
NOT_LEARNED = (
    N_("An innovation of %(ours)s mixes the labels that a model has learned; this learns none."),
    N_(
        "Turn 'Learn the labels' on, with a model to begin from that has learned them; or choose 0."
    ),
)
NO_LABELS = N_("The set has fewer than two labels, so there are none to learn.")
LABEL_OR_NOT = N_(
    "Put the pictures of each style into a sub-folder of its own, or turn 'Learn the labels' off."
)
LABEL_OR_ANOTHER = N_(
    "Put the pictures of each style into a sub-folder of its own, or begin from a model that has"
    " learned no labels."
)
NO_JUDGE = N_("The model can make pictures, but the network that judges them is not in its file.")
ANOTHER = N_("Begin from another model.")
SHAPE: Mapping[str, tuple[str, str]] = {
    "architecture": (
        N_("The model's networks are %(theirs)s, not %(ours)s."),
        N_("Set 'Networks' to %(theirs)s, or begin from another model."),
    ),
    "resolution": (
        N_("The model makes pictures of %(theirs)s px, not of %(ours)s px."),
        N_("Set 'Size' to %(theirs)s, or begin from another model."),
    ),
    "width": (
        N_("The model's networks are %(theirs)s wide, not %(ours)s."),
        N_("Set 'Width of the networks' to %(theirs)s, or begin from another model."),
    ),
}
"""By what of a model does not fit: what is said, and what to do."""

ODD_LATENT = N_("The model draws from %(theirs)s random numbers, not from %(ours)s.")
LEARNED_NONE = (
    N_("The model has learned no labels."),
    N_("Turn 'Learn the labels' off, or begin from another model."),
)
LEARNED_SOME = (
    N_("The model has learned labels."),
    N_("Turn 'Learn the labels' on, or begin from another model."),
)


def of_set(ours: Mapping[str, Any], theirs: SetFacts, begun: ModelFacts | None) -> Iterator[Misfit]:
    """What of a training's parameters, that may go on from a model, does not fit a set."""
    if theirs.pictures < FEWEST:
        values = {"count": theirs.pictures, "fewest": FEWEST}
        yield Misfit("dataset", TOO_FEW, ADD_SOME, values)
    if theirs.labels >= 2:
        if ours["innovation"] and not ours["conditional"]:
            yield Misfit("innovation", *NOT_LEARNED, {"ours": f"{ours['innovation']:g}"})
        return
    if ours["innovation"]:
        yield Misfit("innovation", *NO_STYLES, {"ours": f"{ours['innovation']:g}"})
    if ours["conditional"]:
        kept = begun is not None and begun.config.conditional
        yield Misfit("conditional", NO_LABELS, LABEL_OR_ANOTHER if kept else LABEL_OR_NOT)


def of_model(ours: Mapping[str, Any], theirs: ModelFacts) -> Iterator[Misfit]:
    """What of a training's parameters does not fit the model that it goes on from."""
    if not theirs.trainable:
        yield Misfit("init_from", NO_JUDGE, ANOTHER)
        return
    for name, said in SHAPE.items():
        values = {"ours": ours[name], "theirs": getattr(theirs.config, name)}
        if values["ours"] != values["theirs"]:
            yield Misfit(name, *said, values)
    usual = LATENT[theirs.config.architecture]
    if theirs.config.latent != usual:
        values = {"ours": usual, "theirs": theirs.config.latent}
        yield Misfit("init_from", ODD_LATENT, ANOTHER, values)
    if ours["conditional"] != theirs.config.conditional:
        yield Misfit("conditional", *(LEARNED_NONE if ours["conditional"] else LEARNED_SOME))
