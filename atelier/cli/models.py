"""``atelier models``: trained models of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from atelier.cli import shown
from atelier.cli.connection import connect
from atelier.cli.shown import json_option


@click.group()
def models() -> None:
    """List, add, name and delete trained models. "atelier submit" samples and trains them."""


@models.command("list")
@click.option("--limit", type=click.IntRange(1, 100), default=20, help="How many at most.")
@json_option
def index(limit: int, as_json: bool) -> None:
    """List your models, newest first."""
    page = connect().models(limit)
    if as_json:
        shown.document(page)
        return
    click.echo("\n".join(shown.models(page["results"])))


@models.command()
@click.argument("model")
@json_option
def show(model: str, as_json: bool) -> None:
    """Show what MODEL is, where it comes from and what came of it."""
    found = connect().model(model)
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
@click.argument("model")
@click.argument("name")
@json_option
def rename(model: str, name: str, as_json: bool) -> None:
    """Call MODEL by the NAME."""
    renamed = connect().rename_model(model, name)
    if as_json:
        shown.document(renamed)
        return
    click.echo(f"It is called {renamed['name']} now.")


@models.command()
@click.argument("model")
@json_option
def delete(model: str, as_json: bool) -> None:
    """Forget MODEL; what was made with it stays."""
    connect().delete_model(model)
    if as_json:
        shown.document({"deleted": model})
        return
    click.echo("It is gone.")
