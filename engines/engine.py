"""The engine contract: a computation that can stop after any step and go on elsewhere
as if it never had.

The runner owns the loop; an engine owns none. Progress, previews, checkpoints, pause,
resume, cancel and time estimates therefore need no line of an engine's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engines.kind import N_, Snapshot

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from engines.film import Film
    from engines.kind import Known, Params
    from engines.state import State

Metrics = Mapping[str, float]
WOULD_FIT = N_("It did not fit into memory. Up to %(name)s = %(value)s it did: run it with that.")
Role = Literal["result", "model", "samples", "report"]


class InputError(Exception):
    """An input or parameter cannot be used. Names the field and what to do next.

    ``message`` and ``hint`` are marked with :func:`engines.kind.N_`: whoever shows them translates
    them, then fills their ``%(name)s`` from ``values``.
    """

    def __init__(
        self, pointer: str, message: str, hint: str = "", values: Mapping[str, Any] | None = None
    ) -> None:
        self.pointer, self.message, self.hint = pointer, message, hint
        self.values = dict(values or {})
        said = (text % self.values if self.values else text for text in (message, hint) if text)
        super().__init__(f"{pointer}: {' '.join(said)}")


def refuse_misfits(params: Params, known: Known) -> None:
    """Raise :class:`InputError` for the first parameter that does not fit what is known."""
    for misfit in params.misfits(known):
        raise InputError(f"/{misfit.name}", misfit.message, misfit.hint, misfit.values)


@dataclass(frozen=True)
class Inputs:
    """What a run may read: its referenced files by id, and the folder of network weights.

    ``hashes`` are the files' SHA-256 by id. ``cache`` is a folder that outlives the run, for what
    is costly to prepare and follows from a hash; nothing may rely on finding anything in it.
    ``smaller`` counts how often memory ran out for this job: an engine that works in pieces
    (tiles, micro-batches) halves them that often, and may then differ in the last bits.
    ``scratch`` is a folder of this attempt alone, for works that are files; it goes away after it.
    ``pulse`` shows life, also while an engine is constructed; see :attr:`Engine.pulse`.
    """

    files: Mapping[str, Path]
    weights: Path
    hashes: Mapping[str, str] = field(default_factory=dict)
    cache: Path | None = None
    smaller: int = 0
    scratch: Path | None = None
    pulse: Callable[[], None] = lambda: None

    def place(self, name: str) -> Path:
        """Where to write a work called ``name``: in ``scratch``, else in a new folder."""
        from tempfile import mkdtemp

        return (self.scratch or Path(mkdtemp(prefix="atelier-"))) / name

    def picture(self, id_: str, pointer: str) -> Image:
        """The picture called ``id_``, upright RGB; :class:`InputError` at ``pointer`` if unfit."""
        from engines import pictures

        try:
            return pictures.open_rgb(self.files[id_])
        except pictures.PictureError as refused:
            raise InputError(pointer, refused.message, values=refused.values) from refused
        except KeyError:
            message = N_("The picture is not among the inputs of this job.")
            raise InputError(pointer, message) from None
        except (OSError, SyntaxError, ValueError, EOFError) as damage:
            message = pictures.MESSAGES["unreadable_picture"]
            raise InputError(pointer, message) from damage


@dataclass(frozen=True)
class Phase:
    """What the engine is doing, in words. ``text`` is translated, then filled from ``values``.
    ``calm``: of a notice that is to be known, and no warning."""

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)
    calm: bool = False


@dataclass(frozen=True)
class Output:
    """One finished work. A picture or film is encoded by the runner, with its recipe inside, to
    which ``facts`` add what is so of this work alone."""

    role: Role
    name: str
    content: Image | Film | Path
    media_type: str = "image/png"
    facts: Mapping[str, Any] = field(default_factory=dict)


class Engine(ABC):
    """A resumable computation of ``total_steps`` steps.

    Constructing it may load and precompute whatever follows from params and inputs alone;
    everything else that the rest of the run depends on is in :meth:`state`. Every random draw
    derives from (seed, stream, step), see :func:`engines.state.generator`.
    Constructor and :meth:`step` raise :class:`InputError` for input that cannot be used.
    """

    total_steps: int

    def __init__(self, params: Params, inputs: Inputs, device: torch.device) -> None:
        self.pulse: Callable[[], None] = inputs.pulse
        """Shows life inside a long step, or while something long is prepared before the first."""

    @property
    @abstractmethod
    def phase(self) -> Phase:
        """What is being done now, in words a person follows."""

    @property
    def fitted(self) -> tuple[str, int] | None:
        """A parameter and a value of it with which the whole run would have stayed within the
        memory that was used so far; None when nothing is known yet. Said when memory runs out."""
        return None

    @property
    def score(self) -> float | None:
        """How good the run's state of now is, higher is better; None where nothing measures it.

        The checkpoint with the best score is kept beside the newest three; the picture of the
        timeline with the best is marked, unless :attr:`best_step` says otherwise.
        """
        return None

    @property
    def best_step(self) -> int | None:
        """After how many steps the run was best so far, for an engine that keeps that state: what
        it hands out and delivers as the best. None where it keeps none, or none yet."""
        return None

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the recipe must name beside the parameters: networks with their hashes."""
        return {}

    def share(self, step: int) -> float:
        """Share of all work that the first ``step`` steps are, 0 to 1; for time estimates.

        Override it where steps differ in cost.
        """
        return step / self.total_steps

    def frame_due(self) -> bool:
        """Whether the picture of now, :meth:`preview`, belongs to the job's timeline.

        Asked before the first step and after every step; what is due is kept for good beside its
        step, some thousand pictures at most (:data:`jobs.records.frames.MOST_FRAMES`). The answer
        follows from the step alone, so that a resumed run keeps the frames of one that never
        stopped.
        """
        return False

    def notices(self) -> Sequence[Phase]:
        """Warnings in words about the run as it is now; shown until it says otherwise.

        Texts are marked with :func:`engines.kind.N_` and filled as a phase's are. Asked several
        times a second: answer from what the steps have measured.
        """
        return ()

    def beginning(self) -> Metrics:
        """Finite figures of the state before the first step, kept at step 0.

        Asked once of a run that begins, right before its first step, and of none that goes on; one
        that is not asked makes the same works. May take long: call :attr:`pulse`.
        """
        return {}

    @abstractmethod
    def step(self) -> Metrics:
        """Do one unit of work; return finite figures worth plotting."""

    @abstractmethod
    def preview(self) -> Image:
        """What it looks like now: an RGB picture, at most 1024 px on its long side."""

    @abstractmethod
    def state(self) -> State:
        """Everything that the rest of the run depends on, the step counter included."""

    @abstractmethod
    def load_state(self, state: State) -> None:
        """Continue from ``state``, bit for bit on CPU at the same thread count."""

    def snapshot(self, of: Snapshot) -> Output | None:
        """The model as it is after this step, or the best so far, as a file; the run goes on. None
        where there is none yet.

        Asked between steps, of kinds whose :attr:`engines.kind.Kind.snapshots` name it. Two of
        one name hold the same model.
        """
        raise NotImplementedError(of)

    @abstractmethod
    def outputs(self) -> Iterable[Output]:
        """The finished works, the result first."""
