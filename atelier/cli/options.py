"""From a parameter's JSON schema to an option of the command line, and back to a value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atelier.cli.names import ID, Named, id_of

if TYPE_CHECKING:
    from atelier.client import Studio

Schema = Mapping[str, Any]
# The options every kind has; a parameter of the same name is written --param-NAME.
COMMON = frozenset({"priority", "tag", "watch", "output", "force", "json", "help"})


def option_of(name: str, schema: Schema) -> click.Option:
    """The option that sets the parameter ``name``. Without it the studio's default holds."""
    parameter = resolved(schema["properties"][name], schema)
    several = parameter.get("type") == "array"
    entry = resolved(parameter["items"], schema) if several else parameter
    flag = f"--{'param-' if name in COMMON else ''}{name.replace('_', '-')}"
    if entry.get("type") == "boolean" and not several:
        return click.Option(
            [f"{flag}/--no-{flag[2:]}", variable(name)], default=None, help=_help(name, schema)
        )
    return click.Option(
        [flag, variable(name)],
        type=_Several(type_of(entry)) if several else type_of(entry),
        multiple=several,
        required=name in schema.get("required", ()),
        help=_help(name, schema),
    )


def given_params(schema: Schema, values: Mapping[str, Any], studio: Studio) -> dict[str, Any]:
    """The parameters that were given; files are uploaded, each once, and stand as their ids, as
    does what is named."""
    uploaded: dict[Path, str] = {}

    def sent(value: Any) -> Any:
        if isinstance(value, Named):
            return id_of(studio, value)
        if not isinstance(value, Path):
            return value
        if value not in uploaded:
            uploaded[value] = studio.upload(value)["id"]
        return uploaded[value]

    params: dict[str, Any] = {}
    for name in schema["properties"]:
        value = values[variable(name)]
        if isinstance(value, tuple):
            if value:
                params[name] = [sent(entry) for part in value for entry in part]
        elif value is not None:
            params[name] = sent(value)
    return params


def variable(name: str) -> str:
    """The name under which click hands over the parameter ``name``."""
    return f"param_{name}"


def resolved(parameter: Schema, root: Schema) -> dict[str, Any]:
    """A parameter's schema without references and without the null of optional ones."""
    merged = dict(parameter)
    if "$ref" in merged:
        target = root["$defs"][merged.pop("$ref").rpartition("/")[2]]
        merged = {**resolved(target, root), **merged}
    for choices in (merged.pop("anyOf", None), merged.pop("allOf", None)):
        for choice in choices or ():
            if choice.get("type") != "null":
                merged = {**resolved(choice, root), **merged}
                break
    return merged


def type_of(parameter: Schema) -> click.ParamType[Any]:
    """How a value is read from the command line; what it cannot check the studio does."""
    if "x-reference" in parameter:
        return _Reference(parameter["x-reference"])
    if "const" in parameter:
        return click.Choice([str(parameter["const"])])
    if "enum" in parameter:
        # The value itself comes back, a number as a number.
        return click.Choice(parameter["enum"])
    low, high = _bounds(parameter)
    opened = {
        "min_open": "exclusiveMinimum" in parameter,
        "max_open": "exclusiveMaximum" in parameter,
    }
    if parameter.get("type") == "integer":
        return click.IntRange(low, high, **opened)
    if parameter.get("type") == "number":
        return _Number(low, high, **opened)
    return click.STRING


class _Number(click.FloatRange):
    """A number; JSON has no infinity, and no range holds what is not a number."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class _Several(click.ParamType[Any]):
    """One use of an option that may repeat: one entry, or several with commas between."""

    def __init__(self, entry: click.ParamType[Any]) -> None:
        self._entry = entry
        self.name = entry.name

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """As a single entry is shown."""
        return self._entry.get_metavar(param, ctx)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        # A file's name may itself hold commas.
        whole = isinstance(self._entry, _Reference) and Path(value).exists()
        parts = [value] if whole else [part.strip() for part in str(value).split(",")]
        return [self._entry.convert(part, param, ctx) for part in parts if part]


class _Reference(click.ParamType[Any]):
    """Something stored: a picture's file, which is uploaded; a set or model by name; or an id."""

    def __init__(self, to: str) -> None:
        self._to = to
        self.name = "file or id" if to == "picture" else "name or id"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, Named) or ID.fullmatch(value):
            return value
        if self._to != "picture":
            return Named(param.opts[0] if param else "", self._to, str(value))
        path = Path(value)
        if not path.is_file():
            self.fail(f"{value!r} is neither a file here nor an id. Check the path.", param, ctx)
        return path


def _bounds(parameter: Schema) -> tuple[Any, Any]:
    low = parameter.get("minimum", parameter.get("exclusiveMinimum"))
    return low, parameter.get("maximum", parameter.get("exclusiveMaximum"))


def _help(name: str, schema: Schema) -> str:
    parameter = resolved(schema["properties"][name], schema)
    parts = [str(parameter.get("description") or parameter.get("title") or name)]
    if parameter.get("type") == "array":
        parts.append(_count(parameter, resolved(parameter["items"], schema)))
    if name == "preset":
        parts += [_preset(*entry) for entry in schema.get("x-presets", {}).items()]
    if (default := parameter.get("default")) not in (None, [], ""):
        words = ("no", "yes")[default] if isinstance(default, bool) else default
        parts.append(f"[default: {words}]")
    return " ".join(part for part in parts if part)


def _count(parameter: Schema, entry: Schema) -> str:
    low, high = parameter.get("minItems", 0), parameter.get("maxItems")
    count = f"May repeat, or list with commas ({low} to {high})." if high else "May repeat."
    least, most = _bounds(entry)
    if least is None or most is None:
        return count
    return f"{count} Each {'above ' if 'exclusiveMinimum' in entry else ''}{least} to {most}."


def _preset(name: str, values: Mapping[str, Any]) -> str:
    inside = ", ".join(f"{key} {value}" for key, value in values.items())
    return f"{name}: {inside}."
