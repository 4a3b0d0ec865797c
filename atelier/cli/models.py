"""``atelier models``: trained models of one's own."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from atelier.cli import names, shown
from atelier.cli.connection import connect
from atelier.cli.saving import check_free, force_option, named, output_option, tell
from atelier.cli.shown import json_option

model_argument = click.argument("model", metavar="NAME|ID")


@click.group()
def models() -> None:
    """List, add, name and delete trained models. "atelier submit" samples and trains them."""


@models.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@json_option
def index(limit: int, as_json: bool) -> None:
    """List your models, newest first."""
    found = list(islice(names.all_models(connect(), min(limit, names.PAGE)), limit))
    if as_json:
        shown.document({"results": found})
        return
    click.echo("\n".join(shown.models(found)))


@models.command()
@model_argument
@json_option
def show(model: str, as_json: bool) -> None:
    """Show what a model is, where it comes from and what came of it."""
    studio = connect()
    found = studio.model(names.stored(studio, "model", model))
    if as_json:
        shown.document(found)
        return
    click.echo("\n".join(shown.model(found)))


@models.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", default="", help="What to call it, else like the file.")
@json_option
def add(file: Path, name: str, as_json: bool) -> None:
    """Upload the model in FILE."""
    kept = connect().add_model(file, name)
    if as_json:
        shown.document(kept)
        return
    click.echo(f"model {kept['id']}")
    click.echo("\n".join(shown.model(kept)[1:]))


@models.command()
@model_argument
@output_option
@force_option
@json_option
def download(model: str, output: Path | None, force: bool, as_json: bool) -> None:
    """Save a model as a safetensors file, its config inside."""
    studio = connect()
    found = studio.model(names.stored(studio, "model", model))
    place = output or named(found["name"], ".safetensors")
    check_free(place, force)
    tell(studio.download(found, place), as_json)


@models.command()
@model_argument
@click.argument("name", metavar="NEW_NAME")
@json_option
def rename(model: str, name: str, as_json: bool) -> None:
    """Call a model by another name."""
    studio = connect()
    renamed = studio.rename_model(names.stored(studio, "model", model), name)
    if as_json:
        shown.document(renamed)
        return
    click.echo(f"It is called {renamed['name']} now.")


@models.command()
@model_argument
@json_option
def delete(model: str, as_json: bool) -> None:
    """Forget a model; what was made with it stays."""
    studio = connect()
    model_id = names.stored(studio, "model", model)
    studio.delete_model(model_id)
    if as_json:
        shown.document({"deleted": model_id})
        return
    click.echo("It is gone.")
