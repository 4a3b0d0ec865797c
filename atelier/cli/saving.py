"""Files that commands save: where to, and never over another unless forced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from atelier.cli import shown

if TYPE_CHECKING:
    from atelier.answers import File, Frame
    from atelier.client import Studio

force_option = click.option("--force", is_flag=True, help="Replace files of the same name.")
output_option = click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to save to. [default: here, under its name]",
)


def save(studio: Studio, work: File | Frame, path: Path, force: bool) -> Path:
    """Download a work to ``path``; another file of that name stays unless forced."""
    check_free(path, force)
    return studio.download(work, path)


def check_free(path: Path, force: bool) -> None:
    """Refuse to replace a file that is there already, unless forced."""
    if path.exists() and not force:
        raise click.UsageError(f"{path} is there already. Use --force, or another place.")


def named(name: str, suffix: str) -> Path:
    """A file here that is called like something in the studio."""
    return Path(name.replace("/", "_").replace("\0", "").strip(". ")[:100] + suffix)


def tell(path: Path, as_json: bool) -> None:
    """Where it was saved."""
    if as_json:
        shown.document({"results": [str(path)]})
    else:
        click.echo(str(path))
