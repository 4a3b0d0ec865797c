"""Commands that save a whole studio and bring it back."""

from __future__ import annotations

from pathlib import Path

import click

from atelier.cli import outcomes, shown
from atelier.cli.outcomes import Outcome
from atelier.cli.shown import json_option

folder_argument = click.argument(
    "folder", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path)
)


@click.command(epilog=outcomes.EXIT_CODES)
@folder_argument
@click.option(
    "--keep", type=click.IntRange(min=1), default=7, show_default=True, help="Snapshots to keep."
)
@click.option("--full", is_flag=True, help="Read also what earlier backups have copied.")
@json_option
def backup(folder: Path, keep: int, full: bool, as_json: bool) -> int:
    """Save database and files into FOLDER, also while jobs run.

    Files never change, so only those that FOLDER lacks are copied. Exit code 1: something of the
    studio is damaged or gone; everything else was saved.
    """
    from atelier.backup import backup as run
    from jobs.settings import Settings

    made = run(Settings.read(), folder, keep, full, lambda line: click.echo(line, err=True))
    if as_json:
        shown.document(made)
    else:
        click.echo(
            f"Saved as {made['snapshot']}: {made['files']} files, {made['copied']} of them new"
            f" ({made['bytes'] / 1e6:.1f} MB)."
        )
        for sha256 in made["missing"]:
            click.echo(f"NOT SAVED, damaged or gone: {sha256} (see: atelier admin verify)")
    return Outcome.FAILED if made["missing"] else Outcome.DONE


@click.command()
@folder_argument
@click.option("--snapshot", metavar="NAME", help="Which one; else the newest.")
@json_option
def restore(folder: Path, snapshot: str | None, as_json: bool) -> None:
    """Bring a backup from FOLDER back into an empty studio that does not run.

    What ran when it was saved waits again and goes on from its newest checkpoint.
    """
    from atelier.backup import restore as run
    from jobs.settings import Settings

    done = run(Settings.read(), folder, snapshot, lambda line: click.echo(line, err=True))
    if as_json:
        shown.document(done)
        return
    click.echo(
        f"Restored {done['snapshot']}: {done['files']} files; {done['queued_again']} jobs that"
        " ran then wait again. Now check it: start it, then atelier admin verify"
    )
