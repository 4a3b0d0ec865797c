"""``/account/notices``: how one is told that a long job has ended."""

from __future__ import annotations

from typing import Any

from flask import Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from jobs.post import notices
from jobs.refusals import RefusedError
from webui.api import reading
from webui.pages.blueprint import pages
from webui.pages.forms_again import kept_nowhere, shown_again
from webui.studio import owner_id, studio

SHOWN = 20


@pages.get("/account/notices")
def notices_page() -> str:
    """What one wants to be told, one's webhooks, and what was delivered."""
    return render_template("notices.html", **_shown())


@pages.post("/account/notices")
def change_notices() -> AnyResponse:
    """Want something else."""
    given = request.form.get("minutes", "")
    try:
        minutes = reading.whole("minutes", given)
        mail = reading.storable("mail", request.form.get("mail", "").strip())
        with studio().database.begin() as session:
            notices.change_wish(session, owner_id(), mail or None, 60 * minutes)
    except RefusedError as refused:
        return shown_again("notices.html", refused, **_shown())
    return redirect(url_for("pages.notices_page"), 303)


@pages.post("/account/webhooks")
def add_webhook() -> AnyResponse:
    """A new webhook; the page shows its secret, once."""
    url = request.form.get("url", "").strip()
    try:
        with studio().database.begin() as session:
            made = notices.add_webhook(session, owner_id(), url)
    except RefusedError as refused:
        return shown_again("notices.html", refused, **_shown())
    return kept_nowhere(Response(render_template("notices.html", secret=made.secret, **_shown())))


@pages.post("/account/webhooks/<webhook_id>/remove")
def remove_webhook(webhook_id: str) -> AnyResponse:
    """Forget a webhook."""
    with studio().database.begin() as session:
        notices.remove_webhook(session, owner_id(), reading.id_of(webhook_id))
    return redirect(url_for("pages.notices_page"), 303)


@pages.post("/account/deliveries/<delivery_id>/replay")
def replay_delivery(delivery_id: str) -> AnyResponse:
    """Deliver again."""
    with studio().database.begin() as session:
        notices.replay(session, owner_id(), reading.id_of(delivery_id))
    return redirect(url_for("pages.notices_page"), 303)


def _shown() -> dict[str, Any]:
    with studio().database.begin() as session:
        hooks = notices.webhooks(session, owner_id())
        return {
            "wish": notices.wish_of(session, owner_id()),
            "webhooks": hooks,
            "urls": {hook.id: hook.url for hook in hooks},
            "deliveries": notices.deliveries(session, owner_id())[:SHOWN],
            # The server's address holds a password, which the web need not be given.
            "mails": bool(studio().settings.mail_from),
        }
