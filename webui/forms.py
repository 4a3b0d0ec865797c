"""A form for any kind, drawn from the JSON schema of its parameters.

Nothing here knows a kind: a field's shape follows from its schema, and a new kind needs no
line of this. What the artist leaves open is left out, so that presets and defaults fill it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

from werkzeug.datastructures import MultiDict

from engines.kind import N_, Kind
from engines.models import SETTINGS
from jobs.refusals import TYPES, Fault
from webui.texts import _

Shape = Literal["reference", "preset", "choice", "choices", "number", "numbers", "switch", "text"]
ON, OFF = "yes", "no"
FEW = 6
# Words for choices that many kinds share; a kind's own "x-labels" come first.
CHOICE_WORDS = {
    "auto": N_("automatic"),
    "none": N_("none"),
    "draft": N_("Draft"),
    "standard": N_("Standard"),
    "fine": N_("Fine"),
}


@dataclass(frozen=True)
class Field:
    """One parameter as a control; ``covered`` says that presets fill it in when left open, and
    ``kept`` that a model which is gone on from does so before them.

    ``worth`` are the values that the texts in ``choices`` stand for."""

    name: str
    shape: Shape
    title: str
    description: str
    required: bool = False
    main: bool = False
    many: bool = False
    most: int = 1
    reference: str = ""
    samples: str = ""
    low: float | None = None
    high: float | None = None
    step: str = "any"
    choices: tuple[str, ...] = ()
    worth: tuple[Any, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    default: Any = None
    covered: bool = False
    kept: bool = False
    unit: str = ""
    action: str = ""
    trains: bool = False

    @property
    def whole(self) -> bool:
        """Whether only whole numbers fit."""
        return self.step == "1"

    @property
    def few(self) -> bool:
        """Whether its choices are so few, and matter so much, that all are shown at once."""
        return self.main and len(self.choices) <= FEW

    @property
    def bounded(self) -> bool:
        """Whether a slider makes sense: both ends known, and near enough to aim at."""
        known = self.low is not None and self.high is not None
        return known and float(self.high or 0) - float(self.low or 0) <= 100_000

    @property
    def open(self) -> bool:
        """Whether nothing may be chosen here, because something else fills it in."""
        return self.covered or self.kept or (not self.required and self.default is None)

    @property
    def left_open(self) -> str:
        """What it means to choose nothing here, in the reader's words."""
        if self.kept and self.covered:
            return _("as the model or the preset says")
        return _("as the preset says") if self.covered else _("left open")

    @property
    def left_to_the_model(self) -> str:
        """The same where a model is gone on from: ``{value}`` stands for its value."""
        return _("as the model says: {value}") if self.kept else self.left_open

    def label(self, value: object) -> str:
        """A value in the reader's words."""
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        if isinstance(value, list):
            return ", ".join(map(self.label, value))
        if isinstance(value, float):
            return f"{value:g}"
        text = "" if value is None else str(value)
        if self.choices:
            told = self.labels.get(text) or CHOICE_WORDS.get(text)
            return _(told) if told else text.replace("_", " ")
        return text

    def initial(self) -> list[str]:
        """What the control shows before anybody chose; empty where a preset or default fills."""
        if self.shape == "preset" or (self.shape == "choice" and not self.open):
            return [] if self.default is None else [str(self.default)]
        if self.shape == "choices":
            return [str(value) for value in self.default or ()]
        if self.shape == "switch" and not self.open:
            return [ON] if self.default else []
        return []


@dataclass
class Filled:
    """A form with what was chosen in it, as raw text by field, and what is wrong with it."""

    kind: Kind
    fields: Sequence[Field]
    chosen: dict[str, list[str]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    unfolded: bool = False
    """Whether something behind the fold was chosen for the reader, who should see it."""
    settled: Mapping[str, Any] = field(default_factory=dict)
    """What the chosen model settles of what is left open, by name; empty where none is chosen."""

    def values(self, name: str) -> list[str]:
        """The raw values of a field."""
        return self.chosen.get(name, [])

    def value(self, name: str, position: int = 0) -> str:
        """One raw value of a field, empty when there is none."""
        values = self.values(name)
        return values[position] if position < len(values) else ""

    def faults_of(self, name: str) -> list[Fault]:
        """What is wrong with a field."""
        return [fault for fault in self.faults if field_of(fault) == name]

    def faulty_fields(self) -> list[tuple[Field | None, Fault]]:
        """Every fault with its field, in the order of the eye; None for what has no field."""
        by_name = {known.name: known for known in self.fields}
        order = {name: position for position, name in enumerate(by_name)}
        ranked = sorted(self.faults, key=lambda fault: order.get(field_of(fault), -1))
        return [(by_name.get(field_of(fault)), fault) for fault in ranked]

    @property
    def presets(self) -> Mapping[str, Mapping[str, Any]]:
        """What each preset fills in."""
        return self.kind.params.PRESETS

    def expected(self, known: Field) -> Any:
        """The value a field has when it is left open: the chosen model's, else the chosen preset's,
        else the default."""
        preset = next((self.value(f.name) for f in self.fields if f.shape == "preset"), "")
        return {**self.presets.get(preset, {}), **self.settled}.get(known.name, known.default)

    def left_open(self, known: Field) -> str:
        """What it means to choose nothing in a field, with what is chosen elsewhere."""
        if known.name not in self.settled:
            return known.left_open
        return known.left_to_the_model.replace("{value}", known.label(self.settled[known.name]))

    @property
    def goes_on(self) -> bool:
        """Whether a model may be chosen that is gone on from."""
        return any(known.trains for known in self.fields)

    def in_words(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Values of fields by name, in the reader's words."""
        return {f.name: f.label(values[f.name]) for f in self.fields if f.name in values}

    def filled_by(self, preset: str, *, beside_a_model: bool) -> list[Field]:
        """Which fields the card of a preset names: the main ones that it fills in, or those that it
        still fills in where a model settles the rest."""
        values = self.presets.get(preset, {})
        shown = [f for f in self.fields if f.name in values]
        return [f for f in shown if (not f.kept if beside_a_model else f.main)]


@cache
def fields(kind: Kind) -> tuple[Field, ...]:
    """The controls of a kind, in the order its parameters are declared. Read from the schema once:
    that takes some milliseconds, and one page asks many times."""
    schema = kind.schema()
    required = set(schema.get("required", ()))
    covered = {name for values in kind.params.PRESETS.values() for name in values}
    found = [
        _field(name, _resolved(part, schema), name in required, name in covered, kind)
        for name, part in schema["properties"].items()
    ]
    goes_on = any(known.trains for known in found)
    return tuple(replace(known, kept=goes_on and known.name in SETTINGS) for known in found)


def prefilled(kind: Kind, given: Mapping[str, Any] | None = None) -> Filled:
    """A fresh form; with ``given`` parameters (of an earlier job) those are chosen."""
    form = Filled(kind, fields(kind))
    for known in form.fields:
        value = (given or {}).get(known.name)
        form.chosen[known.name] = known.initial() if value is None else _raw(value)
    return form


def asked_for(form: Filled, query: MultiDict[str, str]) -> Filled:
    """``form`` with what an address asks for: ``?model=<id>&count=9``, by the names of fields."""
    for known in form.fields:
        texts = [text.strip() for text in query.getlist(known.name)]
        if any(texts):
            form.chosen[known.name] = texts if known.many else texts[-1:]
            form.unfolded |= not (known.main or (known.shape == "reference" and known.required))
    return form


def sent(kind: Kind, form: MultiDict[str, str]) -> Filled:
    """The form as somebody sent it."""
    filled = Filled(kind, fields(kind))
    for known in filled.fields:
        filled.chosen[known.name] = [text.strip() for text in form.getlist(known.name)]
    return filled


def parameters(form: Filled) -> dict[str, Any]:
    """What was chosen as parameters; what was left open is left out.

    Text that should be a number is recorded in ``form.faults``.
    """
    given: dict[str, Any] = {}
    for known in form.fields:
        texts = [text for text in form.values(known.name) if text]
        if known.shape == "switch" and not known.open:
            given[known.name] = ON in texts
        elif known.shape == "switch" and texts:
            given[known.name] = texts[0] == ON
        elif known.shape in ("number", "numbers") and texts:
            values = [_number(known, text, position, form) for position, text in enumerate(texts)]
            given[known.name] = values if known.many else values[0]
        elif known.shape == "choice" and texts:
            # A text that is none of the choices goes on as it is, and is refused by name.
            given[known.name] = dict(zip(known.choices, known.worth, strict=True)).get(
                texts[0], texts[0]
            )
        elif texts or known.shape == "choices":
            given[known.name] = texts if known.many else texts[0]
    return given


def preset_words(kind: Kind, name: str) -> str:
    """A preset of a kind in the reader's words."""
    return next(known.label(name) for known in fields(kind) if known.shape == "preset")


def field_of(fault: Fault) -> str:
    """The name of the field a fault points at; empty when it points at none."""
    parts = fault.pointer.split("/")
    return parts[2] if len(parts) > 2 else ""


def _field(name: str, part: dict[str, Any], required: bool, covered: bool, kind: Kind) -> Field:
    inner = part.get("items", part)
    many = part.get("type") == "array"
    return Field(
        name=name,
        shape=_shape(name, part, inner, kind),
        title=part.get("title", name),
        description=part.get("description", ""),
        required=required,
        main=part.get("x-group") == "main",
        many=many,
        most=part.get("maxItems", 8 if many else 1),
        reference=inner.get("x-reference", ""),
        samples=part.get("x-samples", ""),
        low=inner.get("minimum", inner.get("exclusiveMinimum")),
        high=inner.get("maximum", inner.get("exclusiveMaximum")),
        step=_step(inner),
        choices=tuple(map(str, inner.get("enum", ()))),
        worth=tuple(inner.get("enum", ())),
        labels=part.get("x-labels", {}),
        default=part.get("default"),
        covered=covered,
        unit=part.get("x-unit", ""),
        action=part.get("x-action", ""),
        trains=part.get("x-trains", False),
    )


def _shape(name: str, part: dict[str, Any], inner: dict[str, Any], kind: Kind) -> Shape:
    many = part.get("type") == "array"
    if "x-reference" in inner:
        return "reference"
    if "enum" in inner:
        # The name is part of the contract of Params: "preset" picks from PRESETS.
        is_preset = name == "preset" and bool(kind.params.PRESETS)
        return "preset" if is_preset else "choices" if many else "choice"
    if inner.get("type") in ("integer", "number"):
        return "numbers" if many else "number"
    return "switch" if inner.get("type") == "boolean" else "text"


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A property without ``$ref`` and without the ``null`` of an optional one."""
    if "$ref" in part:
        target = schema["$defs"][part["$ref"].rsplit("/", 1)[-1]]
        return _resolved({**target, **{k: v for k, v in part.items() if k != "$ref"}}, schema)
    options = [option for option in part.get("anyOf", ()) if option.get("type") != "null"]
    if options:
        outer = {key: value for key, value in part.items() if key != "anyOf"}
        return _resolved({**options[0], **outer}, schema)
    if "items" in part:
        return {**part, "items": _resolved(part["items"], schema)}
    if "const" in part:
        return {**part, "enum": [part["const"]]}
    return part


def _step(inner: dict[str, Any]) -> str:
    if "multipleOf" in inner:
        return f"{inner['multipleOf']:g}"
    return "1" if inner.get("type") == "integer" else "any"


def _raw(value: Any) -> list[str]:
    if isinstance(value, bool):
        return [ON if value else OFF]
    values: Iterable[Any] = value if isinstance(value, (list, tuple)) else [value]
    return [f"{each:g}" if isinstance(each, float) else str(each) for each in values]


def _number(known: Field, text: str, position: int, form: Filled) -> int | float | str:
    try:
        return int(text) if known.whole else float(text)
    except ValueError:
        expected = TYPES["int" if known.whole else "float"]
        pointer = f"/params/{known.name}" + (f"/{position}" if known.many else "")
        form.faults.append(Fault(pointer, "wrong_type", {"value": text, "expected": expected}))
        return text
