"""The two networks in training, the average of the maker, and their optimisers."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from engines.gan_training.config import ModelConfig
from engines.gan_training.kind import GanTrainingParams
from engines.gan_training.model_file import LoadedModel
from engines.gan_training.networks import (
    build_discriminator,
    build_generator,
    draw_weights,
    load_into,
    set_dial,
)
from engines.state import StateError, generator

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
LABELLED = {"style.vectors.weight", "heads.vectors.weight"}
"""Weights that have a row for each label."""

STYLE_HEAD = "heads.style."
"""What judges of earlier versions had beside; it is left out."""
WARMING = 10
"""The average's decay is at most (1 + t) / (10 + t) after t steps, so that it leaves the first
weights behind soon."""


class Shown(NamedTuple):
    """What a model file holds, by dotted name: the weights of the averaged maker, and of the judge
    of the same step. Who goes on from the one needs the other as it was then."""

    maker: Mapping[str, Tensor]
    judge: Mapping[str, Tensor]


class Pair:
    """``maker`` and ``judge`` learn; ``average`` is the maker's average, and what is shown.

    ``begun`` are the weights of a model to go on from; ``freeze`` of the judge's first blocks then
    stay as they are (FreezeD, Mo et al. 2020).
    """

    def __init__(
        self,
        params: GanTrainingParams,
        config: ModelConfig,
        device: torch.device,
        begun: LoadedModel | None,
    ) -> None:
        self._params = params
        self.maker: nn.Module = build_generator(config).to(device)
        self.judge: nn.Module = build_discriminator(config).to(device)
        for name, network in (("maker", self.maker), ("judge", self.judge)):
            draw_weights(network, generator(params.seed, f"weights of the {name}", 0))
        if begun is not None:
            self._begin_from(begun, config.labels)
        self.average = copy.deepcopy(self.maker).requires_grad_(False).eval()
        # What is learned is to tell styles apart; only what is drawn mixes them.
        set_dial(self.maker, 0.0)
        for block in self.judge.early[: params.freeze]:  # type: ignore[index]
            block.requires_grad_(False)
        self._optimisers = {
            "maker": self._optimiser(self.maker, params.maker_rate),
            "judge": self._optimiser(self.judge, params.judge_rate),
        }

    def clear_gradients(self) -> None:
        """Before the gradients of the next step are added up."""
        for optimiser in self._optimisers.values():
            optimiser.zero_grad(set_to_none=True)

    def gradient_norm(self) -> Tensor:
        """Euclidean norm of all gradients together."""
        gradients = [
            parameter.grad
            for network in (self.maker, self.judge)
            for parameter in network.parameters()
            if parameter.grad is not None
        ]
        norm: Tensor = torch.stack(torch._foreach_norm(gradients)).norm()
        return norm

    def descend(self, step: int) -> None:
        """One step of both networks; ``step`` steps were done before."""
        for optimiser in self._optimisers.values():
            optimiser.step()
        decay = min(self._params.averaging, (1 + step) / (WARMING + step))
        averaged, current = self._floats(self.average), self._floats(self.maker)
        with torch.no_grad():
            torch._foreach_lerp_(averaged, current, 1 - decay)

    def set_rate(self, factor: float) -> None:
        """Rates become ``factor`` times those of the parameters."""
        rates = {"maker": self._params.maker_rate, "judge": self._params.judge_rate}
        for name, optimiser in self._optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = rates[name] * factor

    def weights(self) -> dict[str, Tensor]:
        """Weights of all three networks by dotted name; the networks' own tensors."""
        networks = {"maker": self.maker, "judge": self.judge, "average": self.average}
        return {
            f"{which}.{name}": value
            for which, network in networks.items()
            for name, value in network.state_dict().items()
        }

    def shown(self) -> Shown:
        """Copies of what is shown of now."""
        return Shown(cloned(self.average.state_dict()), cloned(self.judge.state_dict()))

    def take_over(self, weights: Mapping[str, Tensor]) -> None:
        """Go back to :meth:`weights` of before; the optimisers begin anew."""
        copy_all(self.weights(), weights)
        for optimiser in self._optimisers.values():
            for moments in optimiser.state.values():
                for name in MOMENTS:
                    moments[name].zero_()

    def tensors(self) -> dict[str, Tensor]:
        """Weights and moments by dotted name; the pair's own tensors."""
        found = self.weights()
        for which, optimiser in self._optimisers.items():
            for number, parameter in enumerate(optimiser.param_groups[0]["params"]):
                for moment in MOMENTS:
                    found[f"adam.{which}.{number}.{moment}"] = optimiser.state[parameter][moment]
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over :meth:`tensors`; :class:`StateError` names the first that does not fit."""
        copy_all(self.tensors(), tensors)

    def _begin_from(self, begun: LoadedModel, labels: Sequence[str]) -> None:
        fresh, theirs = self.maker.state_dict(), begun.config.labels
        load_into(self.maker, _relabelled(begun.generator, fresh, labels, theirs), "generator")
        fresh = self.judge.state_dict()
        kept = _relabelled(begun.discriminator or {}, fresh, labels, theirs)
        kept = {name: value for name, value in kept.items() if not name.startswith(STYLE_HEAD)}
        load_into(self.judge, kept, "discriminator")

    def _optimiser(self, network: nn.Module, rate: float) -> torch.optim.Adam:
        learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
        betas = (self._params.beta1, self._params.beta2)
        optimiser = torch.optim.Adam(learned, lr=rate, betas=betas, fused=True)
        for parameter in learned:
            # What the optimiser would set at its first step, so that a state always has it.
            optimiser.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }
        return optimiser

    @staticmethod
    def _floats(network: nn.Module) -> list[Tensor]:
        return [value for value in network.state_dict().values() if value.is_floating_point()]


def _relabelled(
    kept: Mapping[str, Tensor],
    fresh: Mapping[str, Tensor],
    labels: Sequence[str],
    theirs: Sequence[str],
) -> dict[str, Tensor]:
    """The weights ``kept`` with rows for ``labels``: that of each label that the model learned,
    found by its name, and else the ``fresh`` one."""
    found = dict(kept)
    for name in LABELLED & found.keys() & fresh.keys():
        if found[name].shape != (len(theirs), *fresh[name].shape[1:]):
            continue  # not what its description says, as is told where it is loaded
        rows = [
            found[name][theirs.index(label)] if label in theirs else fresh[name][position].cpu()
            for position, label in enumerate(labels)
        ]
        found[name] = torch.stack(rows)
    return found


def copy_all(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Copy tensors by name; :class:`StateError` names the first that is missing or misshapen."""
    for name in sorted(ours):
        found = theirs.get(name)
        if found is None or found.shape != ours[name].shape or found.dtype != ours[name].dtype:
            raise StateError(f"the state's tensor {name} is missing or of another shape")
    with torch.no_grad():
        for name, tensor in ours.items():
            tensor.copy_(theirs[name])


def cloned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that later steps leave alone."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> Iterable[tuple[str, Tensor]]:
    """The tensors with ``prefix`` and a dot before their names."""
    return ((f"{prefix}.{name}", tensor) for name, tensor in tensors.items())
