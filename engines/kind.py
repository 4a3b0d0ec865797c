"""What a kind of job declares: its parameters, its inputs, its limits. No torch here.

The form, the API schema, the command-line options, validation, the recipe and the
conformance tests are all drawn from a kind's :class:`Params`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, StringConstraints, WithJsonSchema, model_validator

if TYPE_CHECKING:
    from engines.models import ModelFacts

ReferenceTo = Literal["picture", "dataset", "model"]
Snapshot = Literal["now", "best"]


def N_(text: str) -> str:  # noqa: N802  (gettext's own name for a text translated later)
    """Mark ``text`` for translation; whoever shows it translates it."""
    return text


@dataclass(frozen=True)
class Reference:
    """Marks a parameter that names stored work by its id."""

    to: ReferenceTo


def _reference(to: ReferenceTo) -> tuple[Any, ...]:
    schema = {"type": "string", "format": "uuid", "x-reference": to}
    return (
        StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
        WithJsonSchema(schema),
        Reference(to),
    )


Picture = Annotated[str, *_reference("picture")]
Dataset = Annotated[str, *_reference("dataset")]
Model = Annotated[str, *_reference("model")]

NOTHING = "00000000-0000-0000-0000-000000000000"
"""The id of no stored work."""


@dataclass(frozen=True)
class Referred:
    """One reference found in parameters: where it stands, what it must be, which id it names."""

    pointer: str
    to: ReferenceTo
    id: str


@dataclass(frozen=True)
class SetFacts:
    """What a checked set of pictures is: how many there are, and of how many labels (0: none)."""

    pictures: int
    labels: int


@dataclass(frozen=True)
class Known:
    """What is known of the sets, models and pictures that parameters name, by their ids; what is
    not in it is not known yet."""

    sets: Mapping[str, SetFacts] = field(default_factory=dict)
    models: Mapping[str, ModelFacts] = field(default_factory=dict)
    pictures: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Width and height in pixels."""


@dataclass(frozen=True)
class Misfit:
    """Why the parameter ``name`` does not fit what others name, and what to do next.

    Both texts are marked with :func:`N_` and filled from ``values``.
    """

    name: str
    message: str
    hint: str
    values: Mapping[str, Any] = field(default_factory=dict)


class Params(BaseModel):
    """Base of every kind's parameters: strict, immutable, without unknown names.

    A field's ``title`` and ``description`` are shown to people and translated;
    ``json_schema_extra={"x-group": "main"}`` puts it before the fold of the form.
    ``PRESETS`` maps a preset's name to the values it fills in where they are absent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @classmethod
    def imagined(cls, given: Mapping[str, Any]) -> Self:
        """The parameters ``given``, those with defaults filled in, where what must be named may be
        left open: work of which nothing is known stands in for it. ``pydantic.ValidationError``
        for any other fault."""
        filled = dict(given)
        for name, declared in cls.model_fields.items():
            if declared.is_required() and not filled.get(name):
                many = get_origin(declared.annotation) is list
                filled[name] = [NOTHING] if many else NOTHING
        return cls.model_validate(filled)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: Any) -> Any:
        return {**cls.filled(given), **given} if isinstance(given, dict) else given

    @classmethod
    def filled(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """What is filled in where it is absent from what was ``given``: the preset's values."""
        if not cls.PRESETS:
            return {}
        name = given.get("preset", cls.model_fields["preset"].default)
        return dict(cls.PRESETS.get(name, {})) if isinstance(name, str) else {}

    def misfits(self, known: Known) -> Iterator[Misfit]:
        """What of these parameters does not fit the sets and models that they name, as far as those
        are known. Asked before a job is taken, and by its engine once more when the run starts."""
        yield from ()

    def arithmetic(self, known: Known) -> float | None:
        """How much a job with these parameters computes, in floating-point operations: a closed
        formula, in which what is no arithmetic counts as what takes as long. How long it takes is
        told from that and from how fast recent jobs were, so it need only be right up to a factor
        that is the same for all jobs of a kind. None where it is not known."""
        return None

    def settled(self, known: Known) -> dict[str, Any]:
        """Values by name of the parameters that a model settles, from which training goes on (a
        reference with ``x-trains``): where they are left open they are the model's."""
        for name, declared in type(self).model_fields.items():
            extra = declared.json_schema_extra
            facts = known.models.get(getattr(self, name)) if _trains(extra) else None
            if facts is not None:
                return self.settled_by(facts)
        return {}

    @classmethod
    def settled_by(cls, facts: ModelFacts) -> dict[str, Any]:
        """What a model settles of these parameters, when training goes on from it."""
        return {name: kept for name, kept in facts.settings.items() if name in cls.model_fields}

    def references(self) -> Iterator[Referred]:
        """Every stored input these parameters name, with its JSON pointer."""
        for name, declared in type(self).model_fields.items():
            value = getattr(self, name)
            for marker in declared.metadata:
                if isinstance(marker, Reference) and value is not None:
                    yield Referred(f"/{name}", marker.to, value)
            for inner in get_args(declared.annotation):
                for marker in getattr(inner, "__metadata__", ()):
                    if isinstance(marker, Reference):
                        if isinstance(value, str):
                            yield Referred(f"/{name}", marker.to, value)
                        for position, entry in enumerate(value if isinstance(value, list) else ()):
                            yield Referred(f"/{name}/{position}", marker.to, entry)


def _trains(extra: object) -> bool:
    return isinstance(extra, dict) and bool(extra.get("x-trains"))


@dataclass(frozen=True)
class Bounds:
    """The figures, by name, that are the ends of another one's interval at the same steps: it lies
    between ``low`` and ``high`` with a probability of ``percent``."""

    low: str
    high: str
    percent: int


@dataclass(frozen=True)
class Figure:
    """A figure that steps report: its name in words, and in a sentence what it tells a beginner.

    ``roots``: it falls by powers of ten, so its curve shows square roots. ``bounds`` names its
    interval, where it has one; figures that are bounds are shown with it, not beside it.
    """

    label: str
    meaning: str
    roots: bool = False
    bounds: Bounds | None = None


@dataclass(frozen=True)
class Kind:
    """One kind of job.

    ``engine`` is ``"module:Class"``, imported by the runner alone. ``state_version`` rises
    when a saved state of the kind can no longer be read. ``stall_seconds`` is how long a run
    may show no sign of life. ``resource`` is where it runs when the caller says nothing.
    ``more`` tells from a job's parameters what makes more like the output at a position.
    ``works`` says in a sentence what works beside the result are, by their names.
    ``figures`` says in words what steps report, by the names in :data:`engines.engine.Metrics`, in
    the order in which they are shown.
    ``pieces``: the work can be done in smaller pieces when memory runs out; such a job is tried
    once more with :attr:`engines.engine.Inputs.smaller` raised.
    ``speed``: which share of a matrix product's rate a run reaches in
    :meth:`Params.arithmetic`, for the first job of a kind: later ones are told by earlier ones.
    ``snapshots``: which models a run can hand out on its way, see
    :meth:`engines.engine.Engine.snapshot`.
    """

    name: str
    title: str
    summary: str
    params: type[Params]
    engine: str
    state_version: int
    stall_seconds: float
    resource: Literal["auto", "cpu", "gpu"] = "auto"
    more: Callable[[Mapping[str, Any], int], Mapping[str, Any] | None] = lambda _params, _at: None
    pieces: bool = False
    speed: float = 0.5
    snapshots: tuple[Snapshot, ...] = ()
    works: Mapping[str, str] = field(default_factory=dict, hash=False)
    figures: Mapping[str, Figure] = field(default_factory=dict, hash=False)

    def schema(self) -> dict[str, Any]:
        """JSON schema (draft 2020-12) of the parameters."""
        schema = self.params.model_json_schema()
        schema["x-presets"] = {name: dict(values) for name, values in self.params.PRESETS.items()}
        return schema
