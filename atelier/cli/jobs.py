"""Commands on jobs that exist: looking at them, acting on them, fetching what they made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from atelier.cli import outcomes, shown
from atelier.cli.connection import WATCH_PATIENCE_SECONDS, connect
from atelier.cli.saving import check_free, force_option, save
from atelier.cli.shown import json_option

if TYPE_CHECKING:
    from atelier.answers import Job
    from atelier.client import Studio

job_argument = click.argument("job_id", metavar="ID")
output_dir_option = click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder to save to. [default: here]",
)


@click.command("list")
@click.option("--status", help="Only these: queued, running, succeeded, ... (with commas).")
@click.option("--kind", help="Only jobs of this kind.")
@click.option("--tag", help="Only jobs with this tag.")
@click.option("--search", "q", help="Only jobs in which these words are found.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@json_option
def index(
    status: str | None, kind: str | None, tag: str | None, q: str | None, limit: int, as_json: bool
) -> None:
    """List your jobs, newest first."""
    filters = {"status": status or "", "kind": kind or "", "tag": tag or "", "q": q or ""}
    jobs = list(islice(_all(connect(), limit, filters), limit))
    if as_json:
        shown.document({"results": jobs})
    elif not jobs:
        click.echo("No jobs. Start one: atelier submit --help")
    else:
        click.echo("\n".join(shown.table(jobs)))


@click.command()
@job_argument
@json_option
def show(job_id: str, as_json: bool) -> None:
    """Show one job."""
    _tell(connect().job(job_id), as_json)


@click.command()
@job_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(job_id: str, yes: bool, as_json: bool) -> None:
    """Delete an ended job with its works and all that was made from it, for good."""
    studio = connect()
    would = studio.deletion(job_id)
    if not yes:
        click.echo(
            f"This removes {would['works']} works, {would['frames']} frames,"
            f" {would['checkpoints']} checkpoints, the preview and the log"
            f" ({would['bytes'] / 1e6:.1f} MB), and {would['shared']} shared links.",
            err=True,
        )
        click.confirm("Delete it for good?", abort=True, err=True)
    removed = studio.delete(job_id)
    if as_json:
        shown.document(removed)
    else:
        click.echo("Deleted.")


@click.command()
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@json_option
def uploads(limit: int, as_json: bool) -> None:
    """List the pictures that you uploaded, newest first."""
    page = connect().uploads(limit)
    if as_json:
        shown.document(page)
        return
    for row in page["results"]:
        sides = f"{row['width']} x {row['height']}"
        click.echo(f"{row['id']}  {sides:>13}  {row['bytes'] / 1e6:>6.1f} MB  {row['name']}")
    if not page["results"]:
        click.echo("You have uploaded nothing.")


@click.command(name="delete-file")
@click.argument("file_id", metavar="ID")
def delete_file(file_id: str) -> None:
    """Delete a picture that you uploaded."""
    connect().delete_file(file_id)
    click.echo("Deleted.")


@click.command(epilog=outcomes.EXIT_CODES)
@job_argument
@json_option
def watch(job_id: str, as_json: bool) -> int:
    """Follow a job to its end. With --json, one line per change."""
    job = follow(connect(WATCH_PATIENCE_SECONDS), job_id, as_json)
    if not as_json:
        click.echo("\n".join([job["status"], *shown.trouble(job)]))
    return outcomes.of_job(job)


@click.command(epilog=outcomes.EXIT_CODES)
@job_argument
@click.option("--follow", is_flag=True, help="Go on with what is said next, to the job's end.")
@click.option("--tail", type=click.IntRange(1, 10_000), help="Only this many lines of its end.")
def log(job_id: str, follow: bool, tail: int | None) -> None:
    """Print what a job's runs say."""
    if not follow:
        click.echo(connect().log(job_id, tail), nl=False)
        return
    if tail is not None:
        raise click.UsageError("--follow prints the whole log; leave out --tail.")
    for said in connect(WATCH_PATIENCE_SECONDS).follow_log(job_id):
        click.echo(said, nl=False)


@click.command()
@job_argument
@json_option
def pause(job_id: str, as_json: bool) -> None:
    """Let a job rest at a checkpoint, until "atelier resume"."""
    _tell(connect().pause(job_id), as_json)


@click.command()
@job_argument
@json_option
def resume(job_id: str, as_json: bool) -> None:
    """Let a paused job go on where it was saved."""
    _tell(connect().resume(job_id), as_json)


@click.command()
@job_argument
@json_option
def cancel(job_id: str, as_json: bool) -> None:
    """Stop a job for good. What it has made so far is kept."""
    _tell(connect().cancel(job_id), as_json)


@click.command()
@job_argument
@click.option("--best", is_flag=True, help="The best so far, not that of now.")
@json_option
def snapshot(job_id: str, best: bool, as_json: bool) -> None:
    """Ask a training that runs for its model, to sample or go on from meanwhile."""
    _tell(connect().snapshot(job_id, "best" if best else "now"), as_json)


@click.command()
@job_argument
@click.option("--from-start", is_flag=True, help="Begin anew, not from the newest checkpoint.")
@json_option
def retry(job_id: str, from_start: bool, as_json: bool) -> None:
    """Try a failed or canceled job again."""
    _tell(connect().retry(job_id, from_start), as_json)


@click.command()
@job_argument
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="A changed parameter.")
@click.option("--webhook", metavar="URL", help="An address that is told of its end.")
@json_option
def rerun(job_id: str, changes: tuple[str, ...], webhook: str | None, as_json: bool) -> None:
    """Commission a new job like this one, with some parameters changed."""
    job = connect().rerun(job_id, dict(map(_change, changes)), webhook=webhook)
    _tell(job, as_json)
    if not as_json and (secret := job.get("webhook_secret")):
        click.echo(f"webhook secret, shown this once: {secret}")


@click.command()
@job_argument
@output_dir_option
@click.option(
    "--zip",
    "archive",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save one ZIP instead.",
)
@force_option
@json_option
def download(
    job_id: str, output_dir: Path, archive: Path | None, force: bool, as_json: bool
) -> None:
    """Save everything a job has made."""
    studio = connect()
    works = studio.artifacts(job_id)
    if not works:
        raise click.UsageError(f"Job {job_id} has made nothing yet. See: atelier show {job_id}")
    if archive is not None:
        check_free(archive, force)
        saved = [studio.download_all(job_id, archive)]
    else:
        saved = [save(studio, work, output_dir / Path(work["name"]).name, force) for work in works]
    if as_json:
        shown.document({"results": [str(path) for path in saved]})
    else:
        click.echo("\n".join(map(str, saved)))


def follow(studio: Studio, job_id: str, as_json: bool = False) -> Job:
    """Show a job's progress until its end: a bar on stderr, or JSON lines on stdout."""
    bar = shown.Bar()
    for job in studio.watch(job_id):
        if as_json:
            click.echo(json.dumps(job, ensure_ascii=False))
        else:
            bar.show(job)
    if not as_json:
        bar.end()
    return job


def _all(studio: Studio, limit: int, filters: dict[str, str]) -> Iterator[Job]:
    page = studio.jobs(limit=min(limit, 100), **filters)
    while True:
        yield from page["results"]
        if not page["next"]:
            return
        page = studio.jobs(address=page["next"])


def _tell(job: Job, as_json: bool) -> None:
    if as_json:
        shown.document(job)
    else:
        click.echo("\n".join(shown.page(job)))


def _change(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE, e.g. size=512", param_hint="--set")
    try:
        return name, json.loads(value)
    except ValueError:  # a plain word: style names need no quotes
        return name, value
