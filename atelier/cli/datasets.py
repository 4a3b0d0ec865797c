"""``atelier datasets``: sets of pictures to learn from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from atelier.cli import names, outcomes, shown
from atelier.cli.connection import WATCH_PATIENCE_SECONDS, connect
from atelier.cli.outcomes import Outcome
from atelier.cli.saving import check_free, force_option, named, output_option, tell
from atelier.cli.shown import json_option

if TYPE_CHECKING:
    from atelier.answers import Dataset
    from atelier.client import Studio

dataset_argument = click.argument("dataset", metavar="NAME|ID")
LICENCE_HELP = "Where the pictures come from, who may use them."
wait_option = click.option("--no-wait", is_flag=True, help="Do not wait until it is checked.")
name_option = click.option("--name", default="", help="What to call it.")


@click.group()
def datasets() -> None:
    """Bring, list, show, describe or delete sets of pictures."""


@datasets.command(epilog=outcomes.EXIT_CODES)
@click.argument(
    "places",
    nargs=-1,
    required=True,
    metavar="FOLDER|ZIP|FILE...",
    type=click.Path(exists=True, path_type=Path),
)
@name_option
@click.option("--licence", default="", help=LICENCE_HELP)
@click.option("--parent", default="", metavar="NAME|ID", help="The dataset they are added to.")
@wait_option
@json_option
def add(
    places: tuple[Path, ...], name: str, licence: str, parent: str, no_wait: bool, as_json: bool
) -> int:
    """Bring pictures: a folder whose sub-folders are labels, a ZIP of one, or files."""
    from atelier.art import as_archive

    studio = connect(WATCH_PATIENCE_SECONDS)
    to = names.stored(studio, "dataset", parent, "--parent") if parent else ""
    with as_archive(places) as archive:
        made = studio.add_dataset(archive, name=name, licence=licence, parent=to)
    return _checked(studio, made, no_wait, as_json)


@datasets.command(epilog=outcomes.EXIT_CODES)
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--upload", is_flag=True, help="Have the studio draw it, as a dataset.")
@click.option("--per-style", type=click.IntRange(1, 500), default=40, show_default=True)
@click.option("--size", type=click.IntRange(32, 1024), default=256, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@name_option
@wait_option
@json_option
def sample(
    folder: Path | None,
    upload: bool,
    per_style: int,
    size: int,
    seed: int,
    name: str,
    no_wait: bool,
    as_json: bool,
) -> int:
    """Draw labelled abstract art in several styles, into FOLDER or as a dataset."""
    if (folder is None) != upload:
        raise click.UsageError("Name a FOLDER to draw into, or --upload; one of the two.")
    if folder is None:
        studio = connect(WATCH_PATIENCE_SECONDS)
        made = studio.sample_dataset(per_style=per_style, size=size, seed=seed, name=name)
        return _checked(studio, made, no_wait, as_json)
    from atelier.art import write_samples

    written = write_samples(folder, per_style, size, seed)
    if as_json:
        shown.document({"results": [str(path) for path in written]})
    else:
        click.echo(f"{len(written)} pictures in {folder}.")
    return Outcome.DONE


@datasets.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@json_option
def index(limit: int, as_json: bool) -> None:
    """List your datasets, newest first."""
    found = list(islice(names.all_datasets(connect(), min(limit, names.PAGE)), limit))
    if as_json:
        shown.document({"results": found})
    elif not found:
        click.echo("No datasets. Bring one: atelier datasets add FOLDER")
    else:
        click.echo(f"{'ID':36} {'STATUS':<9} {'PICTURES':>8}  NAME")
        for row in found:
            count = row["report"]["pictures"] if row["report"] else "-"
            click.echo(f"{row['id']:36} {row['status']:<9} {count:>8}  {row['name']}")


@datasets.command()
@dataset_argument
@json_option
def show(dataset: str, as_json: bool) -> None:
    """Show what was found in a dataset."""
    studio = connect()
    _tell(studio.dataset(names.stored(studio, "dataset", dataset)), as_json)


@datasets.command()
@dataset_argument
@output_option
@force_option
@json_option
def download(dataset: str, output: Path | None, force: bool, as_json: bool) -> None:
    """Save a dataset as a ZIP; "add" takes it again, in any studio, with names and labels."""
    studio = connect()
    found = studio.dataset(names.stored(studio, "dataset", dataset))
    if found["status"] != "ready":
        raise click.UsageError(f"{found['name']!r} is {found['status']}: nothing can be saved.")
    place = output or named(found["name"], ".zip")
    check_free(place, force)
    tell(studio.download_dataset(found, place), as_json)


@datasets.command()
@dataset_argument
@click.option("--name", help="What to call it.")
@click.option("--licence", help=LICENCE_HELP)
@json_option
def change(dataset: str, name: str | None, licence: str | None, as_json: bool) -> None:
    """Call a dataset something else, or note where its pictures come from."""
    if name is None and licence is None:
        raise click.UsageError("Say what to change: --name, --licence or both.")
    studio = connect()
    dataset_id = names.stored(studio, "dataset", dataset)
    _tell(studio.change_dataset(dataset_id, name=name, licence=licence), as_json)


@datasets.command()
@dataset_argument
@json_option
def delete(dataset: str, as_json: bool) -> None:
    """Forget a dataset that no job needs any more."""
    studio = connect()
    dataset_id = names.stored(studio, "dataset", dataset)
    studio.delete_dataset(dataset_id)
    if as_json:
        shown.document({"deleted": dataset_id})
    else:
        click.echo(f"{dataset_id} is deleted.")


def _checked(studio: Studio, made: Dataset, no_wait: bool, as_json: bool) -> int:
    """Follow the check on stderr, then tell what it found."""
    row = made if no_wait else _followed(studio, made["id"], quiet=as_json)
    _tell(row, as_json)
    return Outcome.FAILED if row["status"] == "refused" else Outcome.DONE


def _followed(studio: Studio, dataset_id: str, quiet: bool) -> Dataset:
    said = ""
    for row in studio.watch_dataset(dataset_id):
        done = row["progress"]
        words = f"checked {done['done']} of {done['total']}" if done else "checking"
        if words != said and row["status"] == "checking" and not quiet:
            click.echo(words, err=True)
            said = words
    return row


def _tell(row: Dataset, as_json: bool) -> None:
    if as_json:
        shown.document(row)
    else:
        click.echo("\n".join(_page(row)))


def _page(row: Dataset) -> Iterator[str]:
    yield f"dataset   {row['id']}"
    yield f"name      {row['name']}"
    yield f"status    {row['status']}"
    if row["licence"]:
        yield f"licence   {row['licence']}"
    if row["refused"]:
        yield row["refused"]["detail"]
    report = row["report"]
    if report is None:
        return
    sides = report["short_side"]
    yield f"pictures  {report['pictures']}, {report['bytes']} bytes"
    yield f"sizes     short side {sides['least']} to {sides['most']} px, median {sides['median']}"
    for label, count in report["labels"].items():
        yield f"  {label}: {count}"
    for entry in report["unreadable"]["shown"]:
        yield f"left out  {entry['name']}: {entry['detail']}"
    for first, second in report["near_duplicates"]["shown"]:
        yield f"alike     {first} and {second}"
    for first, copy in report["duplicates"]["shown"]:
        yield f"left out  {copy}: It is the same as {first}."
    disk = ", ".join(f"{size} at {side} px" for side, size in report["disk"].items())
    yield f"prepared  {disk}: bytes of the disk"
    for warning in report["warnings"]:
        yield f"note      {warning['detail']}"
