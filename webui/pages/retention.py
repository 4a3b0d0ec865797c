"""``/admin/retention``: how long things are kept, in one form; what would go stands beside it."""

from __future__ import annotations

from dataclasses import replace

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from jobs.access import people
from jobs.office import administration
from jobs.refusals import Fault, RefusedError
from jobs.stored import retention
from jobs.stored.retention import Rule, What
from webui import auth
from webui.api import reading
from webui.pages.blueprint import pages
from webui.studio import owner_id, studio


@pages.get("/admin/retention")
@auth.require_administrator
def retention_page() -> str:
    """The rules, and what they would remove now."""
    with studio().database.snapshot() as session:
        known = retention.rules(session)
        effects = retention.effects(session)
    return render_template(
        "retention.html",
        whats=list(What),
        everybody={rule.what: rule for rule in known if rule.owner is None},
        own=[rule for rule in known if rule.owner is not None],
        effects=effects,
    )


@pages.post("/admin/retention")
@auth.require_administrator
def change_retention() -> Response:
    """Let what the form says be everybody's rules; people's own stay, but for those crossed out."""
    reason = administration.said(reading.storable("reason", request.form.get("reason", "")))
    with studio().database.begin() as session:
        retention.hold(session)
        dropped = set(request.form.getlist("drop"))
        kept = [
            rule
            for rule in retention.rules(session)
            if rule.owner is not None and f"{rule.what}/{rule.owner}" not in dropped
        ]
        new = [rule for what in What if (rule := _asked(what, f"{what}-")) is not None]
        if owner := reading.storable("owner", request.form.get("owner", "").strip()):
            what = _what()
            if (own := _asked(what, "own-")) is None:
                raise RefusedError("invalid", faults=[Fault("/own-days", "missing")])
            person = people.named(session, owner)
            owner = person.name if person is not None else owner
            kept = [r for r in kept if (r.what, r.owner) != (what, owner)]
            kept.append(replace(own, owner=owner))
        retention.replace(session, owner_id(), [*new, *kept], reason)
    return redirect(url_for("pages.retention_page"), 303)


@pages.post("/admin/retention/apply")
@auth.require_administrator
def apply_retention() -> Response:
    """Remove now what the rules let go of."""
    retention.apply(studio().database, owner_id())
    return redirect(url_for("pages.retention_page"), 303)


def _what() -> What:
    given = request.form.get("own-what", What.PREVIEWS)
    if given not in list(What):
        values = {"value": given[:80], "expected": ", ".join(What)}
        raise RefusedError("invalid", faults=[Fault("/own-what", "not_one_of", values)])
    return What(given)


def _asked(what: What, prefix: str) -> Rule | None:
    days = request.form.get(f"{prefix}days", "").strip()
    if not days:
        return None
    keep = request.form.get(f"{prefix}keep", "").strip() or "0"
    return Rule(what, reading.whole(f"{prefix}days", days), reading.whole(f"{prefix}keep", keep))
