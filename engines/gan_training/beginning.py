"""What a training begins with: its pictures, the model it goes on from, the networks' shape."""

from __future__ import annotations

from collections.abc import Callable

import torch

from engines.datasets.pack import PackError
from engines.datasets.prepared import Prepared, prepared
from engines.engine import InputError, Inputs
from engines.gan_training.config import ModelConfig, ModelError
from engines.gan_training.kind import GanTrainingParams
from engines.gan_training.model_file import LoadedModel, load_model
from engines.kind import N_

LATENT = {"dcgan": 128, "light": 256}
FEWEST = 8
"""Pictures below which nothing can be learned, nor measured."""

MISSING = N_("It is not among the inputs of this job.")
TOO_FEW = N_("The set has {count} pictures; at least {fewest} are needed.")
NO_LABELS = N_("The set has no labels, and this needs them.")
LABEL_THEM = N_("Put the pictures of each style into a sub-folder of its own, or choose 0.")
LABEL_THEM_OR_NOT = N_("Put the pictures of each style into a sub-folder of its own.")
OTHER_SHAPE = N_("The model has {name} {theirs}, not {ours}.")
USE_THEIRS = N_("Set {name} to {theirs}, or begin from another model.")
NO_JUDGE = N_("The model can make pictures, but the network that judges them is not in its file.")
NO_MODEL = N_("Freezing needs a model to begin from.")


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
        raise InputError("/dataset", TOO_FEW.format(count=len(found), fewest=FEWEST))
    for name, wants in (("innovation", params.innovation > 0), ("conditional", params.conditional)):
        if wants and len(found.label_names) < 2:
            hint = LABEL_THEM if name == "innovation" else LABEL_THEM_OR_NOT
            raise InputError(f"/{name}", NO_LABELS, hint)
    return found


def model(params: GanTrainingParams, inputs: Inputs) -> LoadedModel | None:
    """The model to go on from, if any; :class:`InputError` where it cannot be read."""
    if params.init_from is None:
        if params.freeze:
            raise InputError("/freeze", NO_MODEL)
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


def _refuse_misfit(wanted: ModelConfig, theirs: ModelConfig) -> None:
    for name in ("architecture", "resolution", "width", "conditional"):
        _compare(name, name, getattr(wanted, name), getattr(theirs, name))
    _compare("init_from", "latent", wanted.latent, theirs.latent)
    if wanted.conditional:
        ours, its = ", ".join(wanted.labels), ", ".join(theirs.labels)
        _compare("dataset", "labels", ours, its)


def _compare(field: str, name: str, ours: object, theirs: object) -> None:
    if ours != theirs:
        message = OTHER_SHAPE.format(name=name, theirs=theirs, ours=ours)
        raise InputError(f"/{field}", message, USE_THEIRS.format(name=name, theirs=theirs))
