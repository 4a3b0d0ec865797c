"""``/new/<kind>``: set a job up and commission it; the form is drawn from the kind's schema."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

from flask import make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from engines.kind import Kind
from engines.registry import KINDS
from jobs import service
from jobs.models import Job, Webhook
from jobs.post import notices
from jobs.refusals import Fault, RefusedError
from webui import choices, forms, problems, uploads
from webui.api import reading
from webui.outlook import of_form, run_words
from webui.pages.blueprint import pages
from webui.pages.forms_again import kept_nowhere
from webui.studio import owner_id, studio


@pages.get("/new/<kind_name>")
def new_page(kind_name: str) -> Response:
    """An empty form; ``?from=<job>`` fills it with that job's parameters, ``?<field>=`` a field."""
    kind = _kind(kind_name)
    parent = _parent(request.args.get("from", ""))
    form = forms.prefilled(kind, parent.given if parent else None)
    forms.asked_for(form, request.args)
    return _shown(form, parent)


@pages.post("/new/<kind_name>")
def make(kind_name: str) -> Response:
    """Commission what the form says, or show it again with every value and every fault."""
    kind = _kind(kind_name)
    parent = _parent(request.form.get("from", ""))
    form = forms.sent(kind, request.form)
    try:
        uploads.take(form, request)
        row = _commission(form, parent)
    except RefusedError as refused:
        form.faults = _once(form.faults, refused.faults)
        return _shown(form, parent, refused)
    studio().waker.wake(row.resource)
    with studio().database.begin() as session:
        secret = notices.secret_to_tell(session, row)
        hook = session.get(Webhook, row.webhook_id) if secret else None
    if hook is not None:
        page = render_template("made.html", kind=kind, job=row, hook=hook)
        return kept_nowhere(make_response(page))
    return redirect(url_for("pages.job_page", job_id=row.id), 303)


@pages.post("/new/<kind_name>/expected")
def expected(kind_name: str) -> Response:
    """How long a job should take as the form is filled in now, in words; empty where that is not
    known."""
    form = forms.sent(_kind(kind_name), request.form)
    with studio().database.begin() as session:
        said = run_words(of_form(session, owner_id(), form).run)
    made = make_response(said)
    made.mimetype = "text/plain"
    return made


def _commission(form: forms.Filled, parent: Job | None) -> Job:
    params = forms.parameters(form)
    for known in form.fields:
        if known.shape == "reference" and known.name in params:
            params[known.name] = _resolved(params[known.name])
    service.validated(form.kind, params)
    if form.faults:
        raise RefusedError("invalid")
    with studio().database.begin() as session:
        order = service.Order(
            kind=form.kind.name,
            params=params,
            parent_id=parent.id if parent else None,
            idempotency_key=_key(params),
            webhook=_webhook(session),
        )
        return service.submit(session, owner_id(), order, studio().settings)


def _address() -> str:
    """The address that the form names beside those that are known; it outranks them."""
    return reading.storable("webhook", request.form.get("webhook_address", "").strip())


def _webhook(session: Session) -> str | None:
    if address := _address():
        return address
    chosen = request.form.get("webhook", "")
    if not chosen:
        return None
    id_ = reading.id_of(chosen)
    for hook in notices.webhooks(session, owner_id()):
        if hook.id == id_ and hook.disabled_at is None:
            return hook.url
    raise RefusedError("unknown_webhook")


def _resolved(chosen: str | list[str]) -> str | list[str]:
    if isinstance(chosen, list):
        return [uploads.resolved(value) for value in chosen]
    return uploads.resolved(chosen)


def _key(params: dict[str, Any]) -> str | None:
    """Pressing twice makes one job; another choice in the same form makes another."""
    nonce = request.form.get("order", "")
    if not nonce:
        return None
    webhook = request.form.get("webhook", ""), _address()
    told = json.dumps([params, webhook], sort_keys=True).encode()
    return hashlib.sha256(nonce.encode() + told).hexdigest()


def _once(first: list[Fault], more: tuple[Fault, ...]) -> list[Fault]:
    """One fault a field is enough: a refused upload is not also a missing picture."""
    known = {forms.field_of(fault) for fault in first}
    return first + [fault for fault in more if forms.field_of(fault) not in known]


def _shown(
    form: forms.Filled, parent: Job | None = None, refused: RefusedError | None = None
) -> Response:
    with studio().database.begin() as session:
        offered = choices.offered(session, owner_id(), form)
        form.settled = choices.settled(form, offered)
        hooks = notices.webhooks(session, owner_id())
        ahead = of_form(session, owner_id(), form)
    page = render_template(
        "new.html",
        form=form,
        offered=offered,
        outlook=ahead,
        parent=parent,
        webhooks=[hook for hook in hooks if hook.disabled_at is None],
        webhook=request.form.get("webhook", ""),
        webhook_address=request.form.get("webhook_address", ""),
        trouble=problems.body_of(refused) if refused else None,
    )
    return make_response(page, refused.refusal.status if refused else 200)


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise RefusedError("unknown_kind")
    return KINDS[name]


def _parent(job_id: str) -> Job | None:
    if not job_id:
        return None
    id_: UUID = reading.id_of(job_id)
    with studio().database.begin() as session:
        return service.get(session, owner_id(), id_)
