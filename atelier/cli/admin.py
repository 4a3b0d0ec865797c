"""Commands for whoever looks after the studio and its machines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from atelier.cli import backups, people, records, shown
from atelier.cli.connection import WATCH_PATIENCE_SECONDS, connect
from atelier.cli.shown import json_option

if TYPE_CHECKING:
    from atelier.client import Worker

LOOK_SECONDS = 1.0

slot_argument = click.argument("slot", metavar="SLOT")


@click.group()
def admin() -> None:
    """Look after the studio and its machines."""


@admin.command()
@json_option
def slots(as_json: bool) -> None:
    """List the slots, and what runs in each."""
    _tell(connect().workers(), as_json)


@admin.command()
@slot_argument
@click.option("--wait", is_flag=True, help="Return when nothing runs in it any more.")
@json_option
def drain(slot: str, wait: bool, as_json: bool) -> None:
    """Let a slot finish what runs in it and take nothing more, e.g. before maintenance."""
    studio = connect(WATCH_PATIENCE_SECONDS if wait else 5.0)
    found = studio.drain(slot)
    while wait and any(one["id"] == slot and one["job_id"] for one in found):
        time.sleep(LOOK_SECONDS)
        found = studio.workers()
    _tell(found, as_json)


@admin.command()
@slot_argument
@json_option
def undrain(slot: str, as_json: bool) -> None:
    """Let a drained slot take jobs again."""
    _tell(connect().undrain(slot), as_json)


admin.add_command(records.verify)
admin.add_command(records.recount)
admin.add_command(backups.backup)
admin.add_command(backups.restore)
admin.add_command(records.metrics_token)
for _command in people.COMMANDS:
    admin.add_command(_command)


def _tell(workers: list[Worker], as_json: bool) -> None:
    if as_json:
        shown.document({"results": workers})
    elif not workers:
        click.echo("No slot has registered yet.")
    else:
        click.echo("\n".join(shown.slots(workers)))
