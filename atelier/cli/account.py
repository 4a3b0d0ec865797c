"""Commands on one's own account: who one is, passwords, tokens, shared works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from atelier.cli import shown
from atelier.cli.connection import connect
from atelier.cli.shown import json_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from atelier.people import Link, Token

password_option = click.option(
    "--password", prompt=True, hide_input=True, help="Your password now; asked for if left out."
)


@click.group()
def account() -> None:
    """Your own account."""


@account.command()
@json_option
def show(as_json: bool) -> None:
    """Show who you are, what you may have and what you have."""
    me = connect().me()
    if as_json:
        shown.document(me)
    else:
        click.echo("\n".join(shown.person(me)))


@account.command()
@click.option("--name", help="How you are called, and sign in.")
@click.option("--language", type=click.Choice(["en", "zh", ""]), help="'': as the browser says.")
@json_option
def change(name: str | None, language: str | None, as_json: bool) -> None:
    """Change your name or language."""
    given = {"name": name, "language": language}
    changes = {key: value for key, value in given.items() if value is not None}
    changed = connect().change_me(**changes)
    if as_json:
        shown.document(changed)
    else:
        click.echo("\n".join(shown.person(changed)))


@account.command()
@click.option("--recipe/--no-recipe", default=None, help="Whether works carry it when they leave.")
def downloads(recipe: bool | None) -> None:
    """Show or choose whether your works carry their recipe when they leave."""
    studio = connect()
    if recipe is not None:
        studio.choose_recipe_inside(recipe)
    inside = studio.recipe_inside()
    click.echo(f"Works leave {'with' if inside else 'without'} their recipe inside.")


@account.command()
@password_option
@click.option("--new-password", prompt=True, hide_input=True, confirmation_prompt=True)
@click.option("--end-tokens", is_flag=True, help="Also end all your other tokens for programs.")
def password(password: str, new_password: str, end_tokens: bool) -> None:
    """Change your password; every browser is signed out."""
    connect().change_password(password, new_password, end_tokens)
    ended = " All other tokens have ended." if end_tokens else ""
    click.echo(f"Changed. Every browser is signed out.{ended}")


@account.command("second-factor")
@click.option("--code", help="The code your app shows, to turn it on.")
@click.option("--off", is_flag=True, help="Turn it off.")
@click.option("--renew-codes", is_flag=True, help="Make new recovery codes.")
@password_option
def second_factor(code: str | None, off: bool, renew_codes: bool, password: str) -> None:
    """Ask for a code of an authenticator app at every sign-in; takes your password."""
    studio = connect()
    if off:
        studio.remove_second_factor(password)
        click.echo("The second factor is off.")
    elif renew_codes:
        click.echo("\n".join(studio.renew_recovery_codes(password)))
    elif code is not None:
        codes = studio.confirm_second_factor(code, password)
        click.echo("The second factor is on. Keep these recovery codes; each works once:")
        click.echo("\n".join(codes))
    else:
        begun = studio.begin_second_factor(password)
        click.echo(f"Give this to your app:\n{begun['url']}")
        click.echo(f"or type this secret into it: {begun['secret']}")
        click.echo("Then: atelier account second-factor --code CODE")


@account.command()
@json_option
def sessions(as_json: bool) -> None:
    """List the browsers that are signed in."""
    _list(connect().sessions(), as_json, "No browser is signed in.")


@account.command("sign-out")
@click.argument("session_id", metavar="ID")
def sign_out(session_id: str) -> None:
    """Sign a browser out."""
    connect().revoke_session(session_id)
    click.echo("Signed out.")


@click.group()
def tokens() -> None:
    """Tokens for programs."""


@tokens.command("list")
@json_option
def list_tokens(as_json: bool) -> None:
    """List your tokens."""
    _list(connect().tokens(), as_json, "You have no tokens.")


@tokens.command()
@click.argument("name")
@click.option(
    "--access",
    type=click.Choice(["read", "write", "admin"]),
    default="write",
    show_default=True,
    help="How far it reaches.",
)
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True)
@json_option
def make(name: str, access: str, days: int, as_json: bool) -> None:
    """Make a token; it is printed this once."""
    made = connect().make_token(name, access, days)
    if as_json:
        shown.document(made)
    else:
        click.echo(made["token"])


@tokens.command()
@click.argument("token_id", metavar="ID")
def revoke(token_id: str) -> None:
    """End a token."""
    connect().revoke_token(token_id)
    click.echo("Revoked.")


@click.group()
def links() -> None:
    """Links that show one of your works to whoever has them."""


@links.command("list")
@json_option
def list_links(as_json: bool) -> None:
    """List the links that still open."""
    found = connect().links()
    if as_json:
        shown.document({"results": found})
    elif not found:
        click.echo("You share nothing.")
    else:
        click.echo("\n".join(_lines(found)))


@links.command("make")
@click.argument("file_id", metavar="FILE_ID")
@click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True)
@click.option("--recipe", is_flag=True, help="Also show how it was made.")
@json_option
def make_link(file_id: str, days: int, recipe: bool, as_json: bool) -> None:
    """Share a work; "atelier show JOB" names the ids of what a job made."""
    made = connect().share(file_id, days, recipe)
    if as_json:
        shown.document(made)
    else:
        click.echo(made["url"])


@links.command("revoke")
@click.argument("link_id", metavar="ID")
def revoke_link(link_id: str) -> None:
    """Take a link back."""
    connect().unshare(link_id)
    click.echo("Taken back.")


def _list(found: Iterable[Token], as_json: bool, none: str) -> None:
    rows = list(found)
    if as_json:
        shown.document({"results": rows})
    else:
        click.echo("\n".join(shown.tokens(rows)) if rows else none)


def _lines(found: Iterable[Link]) -> Iterator[str]:
    for link in found:
        yield f"{link['id']}  until {link['expires_at'][:10]}  seen {link['views']}"
        yield f"  {link['url']}"
