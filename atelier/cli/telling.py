"""``atelier notices`` and ``atelier webhooks``: being told that a long job has ended."""

from __future__ import annotations

import click

from atelier.cli import shown
from atelier.cli.connection import connect
from atelier.cli.shown import json_option


@click.command()
@click.option("--mail", help="Where to; '' for no mails.")
@click.option("--long", "long_seconds", type=click.IntRange(min=0), help="Seconds that are long.")
@json_option
def notices(mail: str | None, long_seconds: int | None, as_json: bool) -> None:
    """Show or change how you are told that a long job has ended."""
    given = {"mail": mail, "long_seconds": long_seconds}
    changes = {name: value for name, value in given.items() if value is not None}
    studio = connect()
    found = studio.change_notices(**changes) if changes else studio.notices()
    if as_json:
        shown.document(found)
    else:
        where = found["mail"] or "nobody"
        click.echo(f"Mails to {where}, of jobs that took at least {found['long_seconds']} s.")


@click.group()
def webhooks() -> None:
    """Have programs of yours called when a long job ends."""


@webhooks.command("list")
@json_option
def index(as_json: bool) -> None:
    """List your webhooks."""
    found = connect().webhooks()
    if as_json:
        shown.document({"results": found})
    else:
        click.echo("\n".join(f"{hook['id']} {hook['url']}" for hook in found) or "None yet.")


@webhooks.command()
@click.argument("url")
@json_option
def add(url: str, as_json: bool) -> None:
    """Add a webhook; its secret is shown once."""
    made = connect().add_webhook(url)
    if as_json:
        shown.document(made)
    else:
        click.echo(f"{made['id']}\nIts secret, shown this once: {made['secret']}")


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
def remove(webhook_id: str) -> None:
    """Forget a webhook."""
    connect().remove_webhook(webhook_id)
    click.echo("Removed.")


@webhooks.command()
@json_option
def log(as_json: bool) -> None:
    """Show what was delivered, mails included."""
    found = connect().deliveries()
    if as_json:
        shown.document({"results": found})
        return
    for row in found:
        to = row["mail"] or row["webhook_id"]
        click.echo(f"{row['id']} {row['type']:<14} {row['status']:<10} {to} {row['answer']}")


@webhooks.command()
@click.argument("delivery_id", metavar="ID")
def replay(delivery_id: str) -> None:
    """Deliver something again."""
    connect().replay(delivery_id)
    click.echo("It is sent again.")
