"""What a run measured and showed on its way: its figures, and the pictures it kept."""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from atelier.cli import shown
from atelier.cli.connection import connect
from atelier.cli.jobs import job_argument
from atelier.cli.saving import save
from atelier.cli.shown import json_option

if TYPE_CHECKING:
    from atelier.answers import Series


@click.command()
@job_argument
@click.option("--name", "names", multiple=True, help="Only this figure; may be said again.")
@click.option(
    "--points",
    type=click.IntRange(4, 20_000),
    help="At most so many points of each: its peaks.  [default: 1000; with --csv every point]",
)
@click.option("--csv", "as_csv", is_flag=True, help="Write every step's figures as CSV to stdout.")
@json_option
def metrics(
    job_id: str, names: tuple[str, ...], points: int | None, as_csv: bool, as_json: bool
) -> None:
    """Print what a job's steps measured."""
    studio = connect()
    if as_csv and points is None:
        _write_csv(list(studio.every_point(job_id, *names)))
        return
    found = studio.metrics(job_id, *names, points=points or 1000)
    if as_csv:
        _write_csv(found)
    elif as_json:
        shown.document({"results": found})
    elif measured := [series for series in found if series["points"]]:
        click.echo("\n".join(shown.figures(measured)))
    else:
        click.echo("Nothing measured yet.")


@click.command()
@job_argument
@click.option(
    "--save",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Save every picture to this folder; what is there already is not fetched again.",
)
@click.option("--force", is_flag=True, help="Replace other files of the same name.")
@json_option
def frames(job_id: str, folder: Path | None, force: bool, as_json: bool) -> None:
    """List the pictures of a job's timeline, or save them."""
    studio = connect()
    found = studio.frames(job_id)
    if folder is not None:
        paths = [folder / Path(frame["name"]).name for frame in found]
        for frame, path in zip(found, paths, strict=True):
            if not _is(path, frame["sha256"]):
                save(studio, frame, path, force)
        if not as_json:
            click.echo("\n".join(map(str, paths)) or "No pictures yet.")
            return
    if as_json:
        shown.document({"results": found})
    elif found:
        click.echo("\n".join(shown.pictures(found)))
    else:
        click.echo("No pictures yet.")


def _is(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == sha256


def _write_csv(parts: Iterable[Series]) -> None:
    """One line a step, one column a figure; what was left out or thinned is said on stderr."""
    table: dict[int, dict[str, float]] = {}
    names: dict[str, None] = {}
    notes: dict[str, None] = {}
    for series in parts:
        names[series["name"]] = None
        for point in series["points"]:
            table.setdefault(int(point[0]), {})[series["name"]] = point[1]
        if interval := series["interval"]:
            bounds = interval["low"], interval["high"]
            names.update(dict.fromkeys(bounds))
            for point, ends in zip(series["points"], interval["ends"], strict=True):
                table[int(point[0])].update(zip(bounds, ends or (), strict=False))
        if series["shown"] < series["kept"]:
            notes[f"{series['name']}: {series['shown']} of {series['kept']} points, its peaks"] = (
                None
            )
        if series["thinned_to"] is not None:
            notes[f"{series['name']}: means of several steps up to step {series['thinned_to']}"] = (
                None
            )
    writer = csv.writer(sys.stdout)
    writer.writerow(["step", *names])
    writer.writerows(
        [step, *(row.get(name) for name in names)] for step, row in sorted(table.items())
    )
    for note in notes:
        click.echo(note, err=True)
