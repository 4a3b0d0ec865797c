"""Commands on a studio's own records. They ask its database, not its API, and need no token."""

from __future__ import annotations

import click

from atelier.cli import outcomes, shown
from atelier.cli.outcomes import Outcome
from atelier.cli.shown import json_option


@click.command(epilog=outcomes.EXIT_CODES)
@json_option
def verify(as_json: bool) -> int:
    """Check that events, jobs, counts and stored files agree. Safe while jobs run.

    Asks the database: that of DATABASE_URL, or of the studio that runs on this machine.
    """
    from atelier.records import verify as run
    from jobs.settings import Settings

    seen = run(Settings.read(), (lambda _: None) if as_json else click.echo)
    if as_json:
        shown.document(seen)
    else:
        wrong = len(seen["findings"])
        verdict = f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong" if wrong else "well"
        click.echo(f"Looked at {seen['jobs']} jobs and {seen['files']} stored files: {verdict}.")
    return Outcome.FAILED if seen["findings"] else Outcome.DONE


@click.command()
@json_option
def recount(as_json: bool) -> None:
    """Count anew how many jobs each owner has waiting and running. Safe while jobs run."""
    from atelier.records import recount as run
    from jobs.settings import Settings

    mended = run(Settings.read())
    if as_json:
        shown.document({"mended": mended})
    else:
        click.echo(f"{mended} {'count was' if mended == 1 else 'counts were'} wrong and mended.")


@click.command()
@click.option("--renew", is_flag=True, help="Also end those that were printed before.")
@json_option
def metrics_token(renew: bool, as_json: bool) -> None:
    """Print a token that reads /metrics and nothing else. It is shown once."""
    from atelier.in_use import running
    from atelier.tokens import metrics_token as made
    from jobs.settings import Settings

    token = made(running(Settings.read())[0], renew)
    if as_json:
        shown.document({"token": token})
    else:
        click.echo(token)
