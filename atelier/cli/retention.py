"""``atelier admin retention``: how long things are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from atelier.cli import names, shown
from atelier.cli.connection import connect
from atelier.cli.shown import json_option

if TYPE_CHECKING:
    from atelier.keeping import RetentionRule

WHATS = ("previews", "frames", "checkpoints", "logs", "works")


@click.group()
def retention() -> None:
    """How long previews, frames, checkpoints, logs and works of ended jobs are kept."""


@retention.command()
@json_option
def show(as_json: bool) -> None:
    """Show the rules."""
    _tell(connect().retention(), as_json)


@retention.command("set")
@click.argument("what", type=click.Choice(WHATS))
@click.argument("days", metavar="DAYS|forever")
@click.option("--keep", type=click.IntRange(min=0), default=0, help="But each one's newest N jobs.")
@click.option("--owner", metavar="NAME", help="Of this person; else of everybody.")
@click.option("--reason", default="", help="Why, for the audit log.")
@json_option
def set_rule(
    what: str, days: str, keep: int, owner: str | None, reason: str, as_json: bool
) -> None:
    """Let go of WHAT so many days after a job's end, or keep it "forever"."""
    if days != "forever" and not days.isdecimal():
        raise click.BadParameter("give a number of days, or: forever", param_hint="DAYS")
    studio = connect()
    whose = names.folded(owner or "")
    rules = [
        rule
        for rule in studio.retention()
        if (rule["what"], names.folded(rule["owner"] or "")) != (what, whose)
    ]
    if days != "forever":
        rules.append({"what": what, "days": int(days), "keep": keep, "owner": owner})
    _tell(studio.set_retention(rules, reason), as_json)


@retention.command("dry-run")
@json_option
def dry_run(as_json: bool) -> None:
    """Show what the rules would remove now. Removes nothing."""
    effects = connect().retention_effects()
    if as_json:
        shown.document({"results": effects})
        return
    for effect in effects:
        size = f"{effect['bytes'] / 1e6:.1f} MB"
        if effect["weighed"] < effect["jobs"]:
            size += f" in the first {effect['weighed']} of them"
        click.echo(f"{_words(effect['rule'])}: {effect['jobs']} jobs, {size}")
    if not effects:
        click.echo("There are no rules: everything is kept.")


@retention.command()
@json_option
def apply(as_json: bool) -> None:
    """Remove now what the rules let go of. The keeper does the same every minute."""
    removed = connect().apply_retention()
    if as_json:
        shown.document({"removed": removed})
    else:
        told = ", ".join(f"{what} of {many} jobs" for what, many in removed.items() if many)
        click.echo(f"Removed: {told or 'nothing'}.")


def _tell(rules: list[RetentionRule], as_json: bool) -> None:
    if as_json:
        shown.document({"rules": rules})
    elif not rules:
        click.echo("There are no rules: everything is kept.")
    else:
        click.echo("\n".join(map(_words, rules)))


def _words(rule: RetentionRule) -> str:
    whose = f" of {rule['owner']}" if rule["owner"] else ""
    kept = f", but the newest {rule['keep']} stay" if rule["keep"] else ""
    return f"{rule['what']}{whose}: {rule['days']} days{kept}"
