"""``atelier submit KIND``: options drawn from what the studio says about the kind."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atelier.cli import outcomes, shown
from atelier.cli.connection import WATCH_PATIENCE_SECONDS, connect
from atelier.cli.jobs import follow
from atelier.cli.options import given_params, option_of
from atelier.cli.saving import save
from atelier.cli.shown import json_option

if TYPE_CHECKING:
    from atelier.answers import Kind

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@click.command()
@json_option
def kinds(as_json: bool) -> None:
    """List what the studio can make."""
    found = connect().kinds()
    if as_json:
        shown.document({"results": found})
        return
    for kind in found:
        click.echo(f"{kind['name']:<18} {kind['summary']}")
    click.echo("\nParameters: atelier submit KIND --help")


class _Kinds(click.Group):
    """The kinds of the studio as commands; ``style-transfer`` is ``style_transfer``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the studio's kinds."""
        return [kind["name"] for kind in self._known(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of one kind."""
        for kind in self._known(ctx):
            if kind["name"] == cmd_name.replace("-", "_"):
                return _command(kind)
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but naming the kinds there are."""
        if self.get_command(ctx, args[0]) is None:
            known = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"There is no kind {args[0]!r}. Kinds here: {known}", ctx)
        return super().resolve_command(ctx, args)

    def _known(self, ctx: click.Context) -> list[Kind]:
        if ctx.obj is None:
            ctx.obj = connect().kinds()
        known: list[Kind] = ctx.obj
        return known


@click.group(cls=_Kinds, subcommand_metavar="KIND [OPTIONS]")
def submit() -> None:
    """Commission a job. "atelier submit KIND --help" shows a kind's parameters."""


def _command(kind: Kind) -> click.Command:
    schema = kind["params"]
    options = [option_of(name, schema) for name in schema["properties"]]
    return click.Command(
        kind["name"],
        params=[*options, *_common_options()],
        callback=lambda **values: _submit(kind, values),
        help=kind["summary"],
        epilog=outcomes.EXIT_CODES,
        context_settings={"max_content_width": 100},
    )


def _common_options() -> list[click.Parameter]:
    # Options are click's decorators; applied to an empty command they can be taken from it.
    @click.option("--priority", type=int, default=0, help="Higher goes first among your own jobs.")
    @click.option("--tag", "tags", multiple=True, help="A word to find the job by; may repeat.")
    @click.option(
        "--deadline",
        "deadline_at",
        callback=_deadline,
        metavar="WHEN",
        help="Give up then: in 90s, 30m, 2h, 3d, or at a time like 2030-12-31T18:00:00Z.",
    )
    @click.option("--webhook", metavar="URL", help="An address that is told of its end.")
    @click.option("--watch", is_flag=True, help="Follow it to its end.")
    @click.option(
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Follow it, then save the result to this file.",
    )
    @click.option("--force", is_flag=True, help="Replace the output file.")
    @json_option
    def common() -> None:
        raise NotImplementedError

    command = click.command(common)
    return command.params


def _submit(kind: Kind, values: dict[str, Any]) -> int:
    output: Path | None = values["output"]
    if output and output.exists() and not values["force"]:
        raise click.UsageError(f"{output} is there already. Use --force, or another name.")
    studio = connect(WATCH_PATIENCE_SECONDS if values["watch"] or output else 5.0)
    params = given_params(kind["params"], values, studio)
    job = studio.submit(
        kind["name"],
        params,
        priority=values["priority"],
        tags=list(values["tags"]),
        deadline_at=values["deadline_at"],
        webhook=values["webhook"],
    )
    if not values["as_json"]:
        click.echo(f"job {job['id']}")
        click.echo(f"job page: {studio.url}{job['urls']['page']}")
        if run := job["expected"]:
            click.echo(shown.run_words(run))
        if secret := job.get("webhook_secret"):
            click.echo(f"webhook secret, shown this once: {secret}")
    if values["watch"] or output:
        for_people = not values["as_json"]
        job = follow(studio, job["id"]) if for_people else _quietly(studio, job["id"])
        if for_people:
            click.echo("\n".join([job["status"], *shown.trouble(job)]))
    if output and job["outputs"]:
        save(studio, job["outputs"][0], output, values["force"])
        if not values["as_json"]:
            click.echo(f"saved {output}")
    if values["as_json"]:
        shown.document(job)
    return outcomes.of_job(job)


def _deadline(_context: object, _option: object, given: str | None) -> datetime | None:
    if given is None:
        return None
    if span := re.fullmatch(r"(\d{1,6})([smhd])", given):
        return datetime.now(UTC) + timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise click.BadParameter(f"{given!r} is neither like 2h nor a time.") from None
    return moment.astimezone()


def _quietly(studio: Any, job_id: str) -> Any:
    *_, job = studio.watch(job_id)
    return job
