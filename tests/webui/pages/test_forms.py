"""A form is drawn from the schema alone."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

import pytest
from annotated_types import MaxLen
from pydantic import Field
from werkzeug.datastructures import MultiDict

from engines.kind import Kind, Model, Params, Picture
from jobs import service
from jobs.refusals import RefusedError
from webui import forms


class Colour(StrEnum):
    """An enumeration that pydantic puts beside the parameters."""

    RED = "red"
    BLUE = "blue"


class EveryShape(Params):
    """One parameter of every shape."""

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "low": {"steps": 5, "sharp": True},
        "high": {"steps": 50},
    }

    picture: Picture
    pictures: Annotated[list[Picture], MaxLen(3)] = Field(default_factory=list)
    model: Model | None = None
    preset: Literal["low", "high"] = "low"
    colour: Colour = Colour.RED
    flavours: list[Literal["sweet", "sour"]] = Field(default_factory=list)
    steps: int = Field(10, ge=1, le=100, json_schema_extra={"x-group": "main"})
    strength: float = Field(0.5, gt=0, lt=1)
    side: Literal[32, 64] = Field(64, json_schema_extra={"x-group": "main"})
    limit: int | None = None
    weights: list[float] = Field(default_factory=list)
    sharp: bool = False
    mirrored: bool = True
    note: str = ""


KIND = Kind("every_shape", "Every shape", "", EveryShape, "nowhere:Nothing", 1, 1.0)
ID = "01890000-0000-7000-8000-000000000000"


def shape_of(name: str) -> forms.Field:
    return next(field for field in forms.fields(KIND) if field.name == name)


def test_every_shape_follows_from_the_schema() -> None:
    shapes = {field.name: (field.shape, field.many) for field in forms.fields(KIND)}
    assert shapes == {
        "picture": ("reference", False),
        "pictures": ("reference", True),
        "model": ("reference", False),
        "preset": ("preset", False),
        "colour": ("choice", False),
        "flavours": ("choices", True),
        "steps": ("number", False),
        "strength": ("number", False),
        "side": ("choice", False),
        "limit": ("number", False),
        "weights": ("numbers", True),
        "sharp": ("switch", False),
        "mirrored": ("switch", False),
        "note": ("text", False),
    }


def test_the_schema_is_read_once_however_often_a_form_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, schema = [], Kind.schema

    def counted(kind: Kind) -> dict[str, Any]:
        read.append(kind.name)
        return schema(kind)

    monkeypatch.setattr(Kind, "schema", counted)
    drawn_often = replace(KIND, name="drawn_often")
    for _ in range(3):
        forms.prefilled(drawn_often, {"steps": 5})
    assert read == ["drawn_often"]


def test_limits_groups_and_references_are_read_from_the_schema() -> None:
    steps = shape_of("steps")
    assert (steps.low, steps.high, steps.step, steps.main) == (1, 100, "1", True)
    assert shape_of("strength").step == "any"
    assert shape_of("pictures").most == 3
    assert shape_of("model").reference == "model"
    assert shape_of("picture").required


def test_what_is_left_open_is_left_out_so_that_the_preset_fills_it() -> None:
    sent: MultiDict[str, str] = MultiDict({"picture": ID, "preset": "high", "steps": ""})
    given = forms.parameters(forms.sent(KIND, sent))
    assert given == {"picture": ID, "preset": "high", "flavours": [], "mirrored": False}
    assert EveryShape.model_validate(given).steps == 50


def test_what_is_touched_outranks_the_preset() -> None:
    sent: MultiDict[str, str] = MultiDict(
        {"picture": ID, "preset": "low", "steps": "7", "sharp": "no", "mirrored": "yes"}
    )
    checked = EveryShape.model_validate(forms.parameters(forms.sent(KIND, sent)))
    assert (checked.steps, checked.sharp, checked.mirrored) == (7, False, True)


def test_numbers_and_lists_are_read() -> None:
    sent: MultiDict[str, str] = MultiDict(
        [
            ("picture", ID),
            ("strength", "0.25"),
            ("weights", "1"),
            ("weights", ""),
            ("weights", "2.5"),
        ]
    )
    given = forms.parameters(forms.sent(KIND, sent))
    assert (given["strength"], given["weights"]) == (0.25, [1.0, 2.5])


def test_few_numbers_are_choices_and_come_back_as_numbers() -> None:
    assert (shape_of("side").choices, shape_of("side").few) == (("32", "64"), True)
    sent: MultiDict[str, str] = MultiDict({"picture": ID, "side": "32"})
    assert forms.parameters(forms.sent(KIND, sent))["side"] == 32
    sent = MultiDict({"picture": ID, "side": "48"})
    with pytest.raises(RefusedError) as refused:
        service.validated(KIND, forms.parameters(forms.sent(KIND, sent)))
    (fault,) = refused.value.faults
    assert (fault.pointer, fault.code) == ("/params/side", "not_one_of")
    assert fault.values["expected"] == "32, 64"


def test_an_earlier_jobs_parameters_fill_the_form() -> None:
    form = forms.prefilled(KIND, {"picture": ID, "steps": 9, "weights": [0.5], "mirrored": False})
    assert form.value("picture") == ID
    assert form.value("steps") == "9"
    assert form.values("weights") == ["0.5"]
    assert form.value("mirrored") == "no"


def test_an_open_field_shows_what_the_chosen_preset_would_fill_in() -> None:
    form = forms.prefilled(KIND, {"preset": "high"})
    assert form.expected(shape_of("steps")) == 50
    assert form.expected(shape_of("strength")) == 0.5


def test_an_open_field_shows_what_the_chosen_model_settles_before_the_preset() -> None:
    form = forms.prefilled(KIND, {"preset": "high"})
    form.settled = {"steps": 7}
    assert form.expected(shape_of("steps")) == 7
