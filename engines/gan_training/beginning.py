"""What a training begins with: its pictures, the model it goes on from, the networks' shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from engines.datasets.pack import PackError
from engines.datasets.prepared import Prepared, prepared
from engines.engine import InputError, Inputs
from engines.gan_training.config import ModelConfig, ModelError
from engines.gan_training.kind import GanTrainingParams
from engines.gan_training.model_file import LoadedModel, load_model
from engines.gan_training.pair import Pair
from engines.kind import N_

LATENT = {"dcgan": 128, "light": 256}
FEWEST = 8
"""Pictures below which nothing can be learned, nor measured."""

MISSING = N_("It is not among the inputs of this job.")
TOO_FEW = N_("The set has %(count)s pictures; at least %(fewest)s are needed.")
NO_LABELS = N_("The set has no labels, and this needs them.")
LABEL_THEM = N_("Put the pictures of each style into a sub-folder of its own, or choose 0.")
LABEL_THEM_OR_NOT = N_("Put the pictures of each style into a sub-folder of its own.")
NO_JUDGE = N_("The model can make pictures, but the network that judges them is not in its file.")
ANOTHER = N_("Begin from another model.")
MISFITS: Mapping[str, tuple[str, str]] = {
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
    "latent": (N_("The model draws from %(theirs)s random numbers, not from %(ours)s."), ANOTHER),
}
"""By what of a model does not fit: what is said, and what to do."""

LEARNED_NONE = (
    N_("The model has learned no labels."),
    N_("Turn 'Learn the labels' off, or begin from another model."),
)
LEARNED_SOME = (
    N_("The model has learned labels."),
    N_("Turn 'Learn the labels' on, or begin from another model."),
)


def set_up(device: torch.device, deterministic: bool) -> None:
    """Choose the arithmetic of a graphics card; on the CPU nothing is to be chosen."""
    if device.type != "cuda":
        return
    torch.backends.cuda.matmul.allow_tf32 = not deterministic
    torch.backends.cudnn.allow_tf32 = not deterministic
    torch.backends.cudnn.benchmark = not deterministic
    if deterministic:
        # Matrix products of cuBLAS are exact only with a variable that must be set before torch is
        # loaded; without it torch refuses them, so it is asked to warn instead.
        torch.use_deterministic_algorithms(True, warn_only=True)


def pictures(params: GanTrainingParams, inputs: Inputs, pulse: Callable[[], None]) -> Prepared:
    """The set at the wanted size; :class:`InputError` where it is unfit."""
    try:
        path, sha256 = inputs.files[params.dataset], inputs.hashes.get(params.dataset, "")
        # Without a hash nothing may be found again in the cache.
        cache = inputs.cache if sha256 else None
        found = prepared(path, params.resolution, cache, sha256, pulse)
    except KeyError:
        raise InputError("/dataset", MISSING) from None
    except PackError as unfit:
        raise InputError("/dataset", str(unfit)) from unfit
    if len(found) < FEWEST:
        values = {"count": len(found), "fewest": FEWEST}
        raise InputError("/dataset", TOO_FEW, values=values)
    for name, _why in params.unfit(len(found.label_names)):
        hint = LABEL_THEM if name == "innovation" else LABEL_THEM_OR_NOT
        raise InputError(f"/{name}", NO_LABELS, hint)
    return found


def model(params: GanTrainingParams, inputs: Inputs) -> LoadedModel | None:
    """The model to go on from, if any; :class:`InputError` where it cannot be read."""
    if params.init_from is None:
        return None
    try:
        found = load_model(inputs.files[params.init_from])
    except KeyError:
        raise InputError("/init_from", MISSING) from None
    except ModelError as unfit:
        raise InputError("/init_from", str(unfit)) from unfit
    if found.discriminator is None:
        raise InputError("/init_from", NO_JUDGE)
    return found


def config(params: GanTrainingParams, found: Prepared, begun: LoadedModel | None) -> ModelConfig:
    """The networks' shape; :class:`InputError` says what fits where ``begun`` does not."""
    wanted = ModelConfig(
        architecture=params.architecture,
        resolution=params.resolution,
        latent=LATENT[params.architecture],
        width=params.width,
        labels=found.label_names,
        conditional=params.conditional,
        styles=params.innovation > 0,
    )
    if begun is not None:
        _refuse_misfit(wanted, begun.config)
    return wanted


def pair(
    params: GanTrainingParams, shape: ModelConfig, device: torch.device, begun: LoadedModel | None
) -> Pair:
    """The networks; :class:`InputError` where the weights that they begin from are unfit."""
    try:
        return Pair(params, shape, device, begun)
    except ModelError as unfit:
        raise InputError("/init_from", str(unfit), ANOTHER) from unfit


def _refuse_misfit(wanted: ModelConfig, theirs: ModelConfig) -> None:
    for name, said in MISFITS.items():
        values = {"ours": getattr(wanted, name), "theirs": getattr(theirs, name)}
        if values["ours"] != values["theirs"]:
            field = name if name in GanTrainingParams.model_fields else "init_from"
            raise InputError(f"/{field}", *said, values)
    if wanted.conditional != theirs.conditional:
        raise InputError("/conditional", *(LEARNED_NONE if wanted.conditional else LEARNED_SOME))
