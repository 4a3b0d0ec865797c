"""Commands of administrators on people.

``invite``, ``create``, ``reset``, ``role`` and ``narrow-tokens`` work on the studio's own machine
without anybody signed in: whoever has its database may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from atelier.cli import names, shown
from atelier.cli.administration import reason_option
from atelier.cli.connection import connect
from atelier.cli.shown import json_option

if TYPE_CHECKING:
    from atelier.people import Person
    from jobs.settings import Settings

person_argument = click.argument("name", metavar="NAME")
administrator_option = click.option("--administrator", is_flag=True, help="As an administrator.")
LIMIT = click.FloatRange(min=0)


@click.command()
@json_option
def people(as_json: bool) -> None:
    """List everybody, with what they have of what they may."""
    found = connect().people()
    if as_json:
        shown.document({"results": found})
    else:
        click.echo("\n".join(shown.people(found)))


@click.command()
@administrator_option
@click.option("--days", type=click.IntRange(1, 30), default=7, show_default=True)
@click.option("--note", default="", help="Whom it is for.")
@reason_option
@json_option
def invite(administrator: bool, days: int, note: str, reason: str, as_json: bool) -> None:
    """Print a link with which one person joins. Works on the studio's machine without a token."""
    role = "administrator" if administrator else "artist"
    here = _here()
    if here is None:
        made: Any = connect().invite(role, days, note, reason)
    else:
        from atelier.founding import invite as found

        made = found(here, role, days, note, reason)
    if as_json:
        shown.document(made)
    else:
        click.echo(made["url"])


@click.command()
@person_argument
@administrator_option
@click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    help="Asked for if left out.",
)
def create(name: str, administrator: bool, password: str) -> None:
    """Make an account with a password, on the studio's own machine."""
    from atelier.founding import create as found
    from jobs.settings import Settings

    role = "administrator" if administrator else "artist"
    made = found(Settings.read(), name, password, role)
    click.echo(f"{made['name']} may now sign in, as {made['role']}.")


@click.command()
@person_argument
@click.option("--second-factor", is_flag=True, help="Also turn their second factor off.")
@reason_option
def reset(name: str, second_factor: bool, reason: str) -> None:
    """Print a link that sets a new password. Works on the studio's machine without a token."""
    here = _here()
    if here is None:
        studio = connect()
        click.echo(studio.reset_link(_named(name)["id"], second_factor, reason))
    else:
        from atelier.founding import reset as found

        click.echo(found(here, name, second_factor, reason))


@click.command()
@json_option
def invitations(as_json: bool) -> None:
    """List the invitations that nobody has accepted yet."""
    found = connect().invitations()
    if as_json:
        shown.document({"results": found})
    elif not found:
        click.echo("Nobody is invited.")
    else:
        for one in found:
            until = one["expires_at"][:10]
            click.echo(f"{one['id']}  {one['role']:<13}  until {until}  {one['note']}")


@click.command()
@click.argument("invitation_id", metavar="ID")
@reason_option
def uninvite(invitation_id: str, reason: str) -> None:
    """Take an invitation back."""
    connect().withdraw(invitation_id, reason)
    click.echo("Taken back.")


@click.command()
@person_argument
@click.argument("role", type=click.Choice(["artist", "administrator"]))
@reason_option
@json_option
def role(name: str, role: str, reason: str, as_json: bool) -> None:
    """Make somebody an artist or an administrator. On the studio's machine without a token."""
    here = _here()
    if here is None:
        _change(name, as_json, reason, role=role)
        return
    from atelier.founding import change_role

    made = change_role(here, name, role, reason)
    if as_json:
        shown.document(made)
    else:
        click.echo(f"{made['name']} is now {made['role']}.")


@click.command("narrow-tokens")
@person_argument
@click.option(
    "--access",
    type=click.Choice(["read", "write"]),
    default="write",
    show_default=True,
    help="How far they may reach from now on.",
)
@reason_option
def narrow_tokens(name: str, access: str, reason: str) -> None:
    """Let somebody's tokens for programs reach no further, on the studio's own machine."""
    from atelier.founding import narrow_tokens as narrow

    here = _here()
    if here is None:
        raise click.UsageError(
            "Tokens are narrowed on the studio's own machine alone. There, leave ATELIER_URL unset."
        )
    narrowed = narrow(here, name, access, reason)
    click.echo(f"Tokens narrowed to {access}: {narrowed}.")


@click.command()
@person_argument
@click.option("--running", type=LIMIT, help="Jobs running at a time.")
@click.option("--waiting", type=LIMIT, help="Jobs waiting.")
@click.option("--disk-gb", type=LIMIT, help="Room on the disk, in GB; 0 is no limit.")
@click.option("--gpu-hours", type=LIMIT, help="GPU hours in seven days; 0 is no limit.")
@click.option("--default", "default", is_flag=True, help="Give back the studio's limits first.")
@reason_option
@json_option
def limits(
    name: str,
    running: float | None,
    waiting: float | None,
    disk_gb: float | None,
    gpu_hours: float | None,
    default: bool,
    reason: str,
    as_json: bool,
) -> None:
    """Set what one person may have."""
    given = {
        "running_limit": None if running is None else round(running),
        "waiting_limit": None if waiting is None else round(waiting),
        "disk_limit": None if disk_gb is None else round(disk_gb * 1e9),
        "gpu_hours_limit": gpu_hours,
    }
    changes = {key: value for key, value in given.items() if default or value is not None}
    if not changes:
        raise click.UsageError("Name at least one limit, or --default.")
    _change(name, as_json, reason, **changes)


@click.command()
@person_argument
@reason_option
@json_option
def disable(name: str, reason: str, as_json: bool) -> None:
    """Close an account: works stay, what runs finishes, nothing new is started."""
    _change(name, as_json, reason, disabled=True)


@click.command()
@person_argument
@reason_option
@json_option
def enable(name: str, reason: str, as_json: bool) -> None:
    """Open a closed account again."""
    _change(name, as_json, reason, disabled=False)


COMMANDS = (
    *(people, invite, create, reset, invitations, uninvite, role, narrow_tokens),
    *(limits, disable, enable),
)


def _here() -> Settings | None:
    """The settings of the studio on this machine; None when ATELIER_URL names one over HTTP."""
    from jobs.settings import Settings

    settings = Settings.read()
    return None if settings.studio_url else settings


def _named(name: str) -> Person:
    known, asked = connect().people(), names.folded(name)
    found = [person for person in known if person["id"] == asked] or [
        person for person in known if names.folded(person["name"]) == asked
    ]
    if not found:
        raise click.UsageError(f"Nobody here is called {name!r}. See: atelier admin people")
    if len(found) > 1:
        ids = ", ".join(person["id"] for person in found)
        raise click.UsageError(f"Several are called {name!r}. Name one by id: {ids}")
    return found[0]


def _change(name: str, as_json: bool, reason: str, **changes: Any) -> None:
    changed = connect().change_person(_named(name)["id"], reason=reason, **changes)
    if as_json:
        shown.document(changed)
    else:
        click.echo("\n".join(shown.person(changed)))
