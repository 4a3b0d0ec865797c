"""Commands about the studio itself: up, demo, doctor, login."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from atelier.cli import shown
from atelier.cli.outcomes import Outcome
from atelier.cli.shown import json_option


@click.command()
@json_option
def up(as_json: bool) -> None:
    """Start a studio on this machine; Ctrl-C stops it. With --json, one line per happening."""
    from atelier.up import up as run
    from jobs.settings import Settings

    run(Settings.read(), _say_json if as_json else click.echo)


@click.command()
@click.option("--install/--no-install", default=True, help="Bring the newest version first.")
@click.option("--start/--no-start", default=True, help="Start the studio afterwards.")
@click.option(
    "--backup",
    "folder",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to save the studio before; else backups in the data folder.",
)
def upgrade(install: bool, start: bool, folder: Path | None) -> None:
    """Save the studio, stop it, install the newest version, migrate, start it again.

    Jobs that run are saved and go on afterwards.
    """
    from atelier.upgrade import upgrade as run
    from jobs.settings import Settings

    run(Settings.read(), click.echo, install=install, folder=folder)
    if start:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "atelier", "up"])  # noqa: S606


@click.command()
def migrate() -> None:
    """Bring the database of a studio that does not run to this version's tables."""
    from atelier.upgrade import migrate as run
    from jobs.settings import Settings

    run(Settings.read(), click.echo)


@click.command()
@json_option
def demo(as_json: bool) -> int:
    """Start a studio, make one picture through its API, save it, stop."""
    from atelier.demo import demo as run
    from jobs.settings import Settings

    made = run(Settings.read(), lambda line: click.echo(line, err=as_json))
    if as_json:
        shown.document(made)
    return Outcome.DONE if made["status"] == "succeeded" else Outcome.FAILED


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Check this machine; name what is missing or wrong, and how to mend it."""
    from atelier.doctor import examine

    findings = list(examine())
    if as_json:
        shown.document({"checks": [finding.as_dict() for finding in findings]})
    else:
        for finding in findings:
            click.echo(finding.line())
    return Outcome.FAILED if any(not finding.good for finding in findings) else Outcome.DONE


@click.command()
@json_option
def login(as_json: bool) -> None:
    """Print an address that logs a browser in once, within a quarter of an hour."""
    from atelier.in_use import running
    from atelier.tokens import login_address
    from jobs.settings import Settings

    settings, address = running(Settings.read())
    if settings.with_accounts:
        raise click.UsageError(
            f"This studio has accounts: sign in at {address}/sign-in. For the first"
            " administrator: atelier admin invite --administrator"
        )
    link = login_address(settings, address)
    if as_json:
        shown.document({"url": link})
    else:
        click.echo(link)


def _say_json(line: str) -> None:
    import json

    sys.stdout.write(json.dumps({"message": line}) + "\n")
    sys.stdout.flush()
