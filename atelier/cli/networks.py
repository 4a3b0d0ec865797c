"""``atelier weights``: the pretrained networks of a studio on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from atelier.cli import shown
from atelier.cli.shown import json_option


@click.group()
def weights() -> None:
    """List, fetch or add pretrained networks. Nothing is ever downloaded unasked."""


@weights.command("list")
@json_option
def index(as_json: bool) -> None:
    """List the known networks and where they lie."""
    from atelier.networks import inventory
    from jobs.settings import Settings

    found = inventory(Settings.read().weights)
    if as_json:
        shown.document({"results": found})
        return
    for entry in found:
        click.echo(f"{entry['name']:<8} {entry['status']:<9} {entry['path'] or entry['origin']}")


@weights.command()
@click.argument("name")
@json_option
def fetch(name: str, as_json: bool) -> None:
    """Download the network NAME from its own site and check it."""
    from atelier.networks import download
    from jobs.settings import Settings

    _tell(download(name, Settings.read().weights), as_json)


@weights.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def add(file: Path, as_json: bool) -> None:
    """Add a network that you have as FILE, after checking it."""
    from atelier.networks import adopt
    from jobs.settings import Settings

    _tell(adopt(file, Settings.read().weights), as_json)


def _tell(path: Path, as_json: bool) -> None:
    if as_json:
        shown.document({"path": str(path)})
    else:
        click.echo(f"{path} is in place and whole.")
