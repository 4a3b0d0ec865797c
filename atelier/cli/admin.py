"""Commands for whoever looks after the studio and its machines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from atelier.cli import administration, backups, people, records, retention, shown
from atelier.cli.administration import needed_reason_option, reason_option
from atelier.cli.connection import WATCH_PATIENCE_SECONDS, connect
from atelier.cli.shown import json_option

if TYPE_CHECKING:
    from atelier.administration import Worker

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
@reason_option
@json_option
def drain(slot: str, wait: bool, reason: str, as_json: bool) -> None:
    """Let a slot finish what runs in it and take nothing more, e.g. before maintenance."""
    studio = connect(WATCH_PATIENCE_SECONDS if wait else 5.0)
    found = studio.drain(slot, reason)
    while wait and any(one["id"] == slot and one["job_id"] for one in found):
        time.sleep(LOOK_SECONDS)
        found = studio.workers()
    _tell(found, as_json)


@admin.command()
@slot_argument
@reason_option
@json_option
def undrain(slot: str, reason: str, as_json: bool) -> None:
    """Let a slot take jobs again that is drained or in quarantine."""
    _tell(connect().undrain(slot, reason), as_json)


@admin.command()
@slot_argument
@needed_reason_option
@json_option
def quarantine(slot: str, reason: str, as_json: bool) -> None:
    """Let a slot take nothing more because it is not trusted."""
    _tell(connect().quarantine(slot, reason), as_json)


@admin.command()
@slot_argument
@reason_option
@json_option
def forget(slot: str, reason: str, as_json: bool) -> None:
    """Strike a slot off whose worker is gone for good."""
    _tell(connect().forget(slot, reason), as_json)


for _command in (
    administration.overview,
    administration.pause_queue,
    administration.resume_queue,
    administration.wake,
    administration.maintenance,
    administration.jobs,
    administration.job,
    administration.log,
    administration.cancel,
    administration.priority,
    administration.front,
    administration.requeue,
    administration.audit,
    records.verify,
    records.recount,
    retention.retention,
    backups.backup,
    backups.restore,
    records.metrics_token,
    *people.COMMANDS,
):
    admin.add_command(_command)


def _tell(workers: list[Worker], as_json: bool) -> None:
    if as_json:
        shown.document({"results": workers})
    elif not workers:
        click.echo("No slot has registered yet.")
    else:
        click.echo("\n".join(shown.slots(workers)))
