"""What a training begins with: its pictures, the model it goes on from, the networks' shape."""

from __future__ import annotations

from collections.abc import Callable

import torch

from engines.datasets.pack import PackError
from engines.datasets.prepared import Prepared, prepared
from engines.engine import InputError, Inputs, refuse_misfits
from engines.gan_training.config import LATENT, ModelConfig, ModelError
from engines.gan_training.kind import GanTrainingParams
from engines.gan_training.misfits import ANOTHER
from engines.gan_training.model_file import LoadedModel, load_model
from engines.gan_training.pair import Pair
from engines.kind import N_, Known, SetFacts

MISSING = N_("It is not among the inputs of this job.")


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
    """The set at the wanted size; :class:`InputError` where it cannot be read."""
    try:
        path, sha256 = inputs.files[params.dataset], inputs.hashes.get(params.dataset, "")
        # Without a hash nothing may be found again in the cache.
        cache = inputs.cache if sha256 else None
        found = prepared(path, params.resolution, cache, sha256, pulse)
    except KeyError:
        raise InputError("/dataset", MISSING) from None
    except PackError as unfit:
        raise InputError("/dataset", str(unfit)) from unfit
    return found


def model(params: GanTrainingParams, inputs: Inputs) -> LoadedModel | None:
    """The model to go on from, if any; :class:`InputError` where it cannot be read."""
    if params.init_from is None:
        return None
    try:
        return load_model(inputs.files[params.init_from])
    except KeyError:
        raise InputError("/init_from", MISSING) from None
    except ModelError as unfit:
        raise InputError("/init_from", str(unfit), ANOTHER) from unfit


def config(params: GanTrainingParams, found: Prepared, begun: LoadedModel | None) -> ModelConfig:
    """The networks' shape; :class:`InputError` says what fits where the set or ``begun`` do not."""
    sets = {params.dataset: SetFacts(len(found), len(found.label_names))}
    models = {params.init_from: begun.facts} if params.init_from and begun else {}
    refuse_misfits(params, Known(sets, models))
    return ModelConfig(
        architecture=params.architecture,
        resolution=params.resolution,
        latent=LATENT[params.architecture],
        width=params.width,
        labels=found.label_names,
        conditional=params.conditional,
        innovation=params.innovation,
    )


def pair(
    params: GanTrainingParams, shape: ModelConfig, device: torch.device, begun: LoadedModel | None
) -> Pair:
    """The networks; :class:`InputError` where the weights that they begin from are unfit."""
    try:
        return Pair(params, shape, device, begun)
    except ModelError as unfit:
        raise InputError("/init_from", str(unfit), ANOTHER) from unfit
