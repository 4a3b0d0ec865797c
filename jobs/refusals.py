"""Why a request is refused: every refusal once, with its status, its words and what to do next.

API, pages and command line show the same refusal; texts are translated where they are shown
and filled from ``values``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engines import pictures
from engines.datasets import unpacking
from engines.kind import N_, Misfit


@dataclass(frozen=True)
class Refusal:
    """A refusal's HTTP status, its title, and its hint: what to do next."""

    status: int
    title: str
    hint: str = ""


REFUSALS: Mapping[str, Refusal] = {
    "malformed_json": Refusal(
        400, N_("The body is not valid JSON."), N_("Send one JSON object as application/json.")
    ),
    "bad_request": Refusal(400, N_("The request cannot be understood."), N_("See docs/api.md.")),
    "unauthenticated": Refusal(
        401,
        N_("You are not signed in, or your token is unknown or expired."),
        N_(
            "Sign in. A program sends 'Authorization: Bearer <token>'; a studio without accounts"
            " prints an address that lets you in."
        ),
    ),
    "wrong_password": Refusal(
        401,
        N_("This name and password do not fit."),
        N_("Check both. An administrator can give you a link that sets a new password."),
    ),
    "wrong_code": Refusal(
        401,
        N_("This code does not fit."),
        N_("Take the one that your app shows now, or a recovery code that you have not used yet."),
    ),
    "sign_in_again": Refusal(
        401,
        N_("Your password was given too long ago."),
        N_("Sign in again."),
    ),
    "forbidden": Refusal(
        403,
        N_("The request does not come from this studio's own page."),
        N_("Reload the page and try again."),
    ),
    "administrators_only": Refusal(
        403,
        N_("This is for administrators of the studio."),
        N_("Ask an administrator, or sign in as one."),
    ),
    "token_too_weak": Refusal(
        403,
        N_("This token may not do that; it takes one with the access '%(access)s'."),
        N_("Use a token that may, or make one on your account's page."),
    ),
    "without_accounts": Refusal(
        403,
        N_("This studio has no accounts: it is its owner's alone."),
        N_("Set PUBLIC_URL or ATELIER_ACCOUNTS=on to let others in."),
    ),
    "second_factor_on": Refusal(
        409,
        N_("The second factor is on already."),
        N_("Turn it off first to set it up with another app."),
    ),
    "second_factor_off": Refusal(
        409, N_("There is no second factor to have codes for."), N_("Turn it on first.")
    ),
    "no_password": Refusal(
        409,
        N_("The account '%(name)s' has no password that could prove who asks."),
        N_(
            "Run 'atelier admin reset %(name)s' on the studio's machine: it prints a link that sets"
            " one. A studio without accounts needs neither password nor second factor."
        ),
    ),
    "account_closed": Refusal(
        409,
        N_("The account of %(name)s is closed: a link for a new password would let nobody in."),
        N_("Open the account again first."),
    ),
    "last_administrator": Refusal(
        409,
        N_("The studio's last administrator stays one."),
        N_("Make somebody else an administrator first."),
    ),
    "forbidden_host": Refusal(
        403,
        N_("This studio is not called '%(host)s'."),
        N_("Use its own address, or set PUBLIC_URL to the address people use."),
    ),
    "not_found": Refusal(404, N_("There is nothing at this address."), N_("Check the address.")),
    "unknown_job": Refusal(404, N_("There is no such job of yours."), N_("See your jobs.")),
    "unknown_file": Refusal(404, N_("There is no such file of yours."), N_("Upload it first.")),
    "unknown_dataset": Refusal(
        404, N_("There is no such set of pictures of yours."), N_("See your datasets.")
    ),
    "unknown_kind": Refusal(
        404, N_("There is no such kind of job."), N_("GET /api/v1/kinds lists them.")
    ),
    "unknown_model": Refusal(404, N_("There is no such model of yours."), N_("See your models.")),
    "unknown_webhook": Refusal(
        404, N_("There is no such webhook of yours."), N_("GET /api/v1/me/webhooks lists them.")
    ),
    "unknown_delivery": Refusal(
        404,
        N_("There is no such delivery of yours."),
        N_("GET /api/v1/me/deliveries lists them."),
    ),
    "unknown_slot": Refusal(
        404, N_("There is no such slot."), N_("GET /api/v1/workers lists them.")
    ),
    "unknown_person": Refusal(
        404, N_("There is no such person."), N_("GET /api/v1/admin/people lists them.")
    ),
    "unknown_invitation": Refusal(
        404,
        N_("There is no such invitation."),
        N_("It was accepted, taken back, or has expired."),
    ),
    "unknown_token": Refusal(
        404, N_("There is no such token or session of yours."), N_("It may have ended by itself.")
    ),
    "unknown_link": Refusal(
        404, N_("There is no such link of yours."), N_("It may have ended by itself.")
    ),
    "link_spent": Refusal(
        404,
        N_("This link was already used, taken back, or has expired."),
        N_("Ask an administrator of the studio for another."),
    ),
    "link_gone": Refusal(
        404,
        N_("This link shows nothing any more."),
        N_("Ask whoever gave it to you for another."),
    ),
    "unknown_queue": Refusal(404, N_("There is no such queue."), N_("Name cpu or gpu.")),
    "slot_alive": Refusal(
        409, N_("The slot is not gone: its worker still answers."), N_("Drain it instead.")
    ),
    "malformed_id": Refusal(
        404, N_("The address holds no valid id."), N_("An id looks like a UUID.")
    ),
    "method_not_allowed": Refusal(
        405, N_("This address does not take that method."), N_("See docs/api.md.")
    ),
    "dataset_in_use": Refusal(
        409,
        N_("The set of pictures is used by %(users)s."),
        N_("Wait until that has ended, or cancel it first."),
    ),
    "model_in_use": Refusal(
        409,
        N_("The model is used by %(users)s."),
        N_("Wait until that has ended, or cancel it first."),
    ),
    "only_work": Refusal(
        409,
        N_("The model is all that its job has made."),
        N_("Keep it, as long as the job is kept."),
    ),
    "model_too_large": Refusal(
        413,
        N_("The upload is larger than the %(limit)s bytes that are taken of a model."),
        N_("Have the administrator raise the limit, or train a narrower model."),
    ),
    "dataset_too_large": Refusal(
        413,
        N_("The upload is larger than the %(limit)s bytes that are taken of a set of pictures."),
        N_("Send fewer or smaller pictures, or send them in several sets."),
    ),
    "not_ended": Refusal(
        409, N_("This job has not ended."), N_("Cancel it first, or wait for its end.")
    ),
    "over_already": Refusal(
        409,
        N_("This job has ended, or is about to."),
        N_("Take the works it left, or try it again."),
    ),
    "no_snapshots": Refusal(
        409,
        N_("This kind of job hands out no model on its way."),
        N_("Wait for its end."),
    ),
    "in_use": Refusal(
        409,
        N_("A job that has not ended is made from this."),
        N_("Wait for that job's end, or cancel it."),
    ),
    "part_of_job": Refusal(
        409, N_("This work belongs to the job that made it."), N_("Delete the job: %(job)s.")
    ),
    "too_large": Refusal(
        413,
        N_("The upload is larger than the %(limit)s bytes that are taken."),
        N_("Make the picture smaller, or save it as JPEG."),
    ),
    "unsupported_media_type": Refusal(
        415, N_("The body has the wrong media type."), N_("Send %(wanted)s.")
    ),
    "range_not_satisfiable": Refusal(
        416,
        N_("There is nothing in the range that was asked for."),
        N_("Ask for bytes that lie before its end, which Content-Range names."),
    ),
    "bad_picture": Refusal(
        422, N_("The upload cannot be used as a picture."), N_("Choose another picture.")
    ),
    "bad_model": Refusal(
        422, N_("The upload cannot be used as a model."), N_("Choose a model of such a studio.")
    ),
    "invalid": Refusal(
        422, N_("Something in the request cannot be used."), N_("Mend what is named and resend.")
    ),
    "idempotency_key_reused": Refusal(
        422,
        N_("This Idempotency-Key was used for another request."),
        N_("Use a new key for a new request."),
    ),
    "disk_used": Refusal(
        403,
        N_("Your files take %(used)s of your %(limit)s; there is no room for more."),
        N_(
            "Delete jobs and uploads you no longer need, or ask an administrator for more room."
            " Your account's page lists the uploads."
        ),
    ),
    "too_many_tokens": Refusal(
        409, N_("You already have %(limit)s tokens."), N_("Revoke those you no longer use.")
    ),
    "too_many_links": Refusal(
        409, N_("You already share %(limit)s links."), N_("Take some of them back.")
    ),
    "queue_full": Refusal(
        429,
        N_("You already have %(used)s jobs waiting; at most %(limit)s are taken."),
        N_("Wait until some are done, cancel some, or ask an administrator for more."),
    ),
    "gpu_hours_used": Refusal(
        429,
        N_("You have used %(used)s of your %(limit)s GPU hours of seven days."),
        N_("Ask again after %(until)s, or ask an administrator for more."),
    ),
    "too_many_attempts": Refusal(
        429,
        N_("Too many attempts went wrong."),
        N_("Try again in %(seconds)s seconds. The wait grows with every failure."),
    ),
    "too_many_requests": Refusal(
        429, N_("You ask too often."), N_("Try again in %(seconds)s seconds.")
    ),
    "too_many_streams": Refusal(
        429,
        N_("Too many streams of events are open."),
        N_("Close one, or ask for the job again and again instead: that is always answered."),
    ),
    "internal_error": Refusal(
        500, N_("Something broke on our side."), N_("Try again; the administrator has the log.")
    ),
    "maintenance": Refusal(
        503,
        N_("%(message)s The studio is under maintenance and takes no new jobs."),
        N_("Send it again later; jobs that were taken before are not lost."),
    ),
    "copies_busy": Refusal(
        503,
        N_("Too many pictures are being made ready to leave."),
        N_("Try again in %(seconds)s seconds."),
    ),
    "database_down": Refusal(
        503, N_("The studio's database is away for a moment."), N_("Try again in a few seconds.")
    ),
    "storage_down": Refusal(
        503, N_("The studio cannot store files at the moment."), N_("Try again in a few seconds.")
    ),
}

FAULTS: Mapping[str, str] = {
    **pictures.MESSAGES,
    **unpacking.MESSAGES,
    "unfit_model": N_("This is no model that can be used: %(why)s."),
    "missing": N_("This is needed and was not given."),
    "unknown_parameter": N_("There is no such parameter. Check its spelling."),
    "unknown_kind": N_("There is no kind '%(value)s'. Known kinds: %(known)s."),
    "unknown_file": N_("There is no such file of yours: %(value)s. Upload it first."),
    "unknown_dataset": N_(
        "There is no such set of pictures of yours: %(value)s. Upload it as a dataset first."
    ),
    "dataset_refused": N_(
        "The set '%(name)s' cannot be used: see its report. Choose another, or upload it again."
    ),
    "dataset_not_ready": N_(
        "The set '%(name)s' is not ready, so nothing can be added to it. Wait until it is checked."
    ),
    "archive_among_files": N_(
        "'%(name)s' is an archive among other files. Send one archive alone, or pictures."
    ),
    "wrong_media_type": N_("This file is %(value)s, but a %(wanted)s is needed here."),
    "not_a_mail_address": N_("'%(value)s' is no mail address. Write it like ada@studio.example."),
    "not_a_url": N_("'%(value)s' cannot be called. Write it like https://host.example/path."),
    "unknown_person": N_("There is nobody called '%(value)s' here."),
    "said_twice": N_("There is more than one rule for %(value)s of the same people."),
    "out_of_range": N_("%(value)s is outside %(low)s to %(high)s."),
    "too_small": N_("%(value)s is too small; at least %(limit)s is taken."),
    "too_large": N_("%(value)s is too large; at most %(limit)s is taken."),
    "not_above": N_("%(value)s is too small; it must be above %(limit)s."),
    "not_below": N_("%(value)s is too large; it must be below %(limit)s."),
    "not_a_time": N_("'%(value)s' is no time. Write it like 2030-12-31T18:00:00Z."),
    "in_the_past": N_("%(value)s has passed already. Give a later time."),
    "too_many": N_("%(value)s entries are too many; at most %(limit)s are taken."),
    "too_few": N_("%(value)s entries are too few; at least %(limit)s are needed."),
    "bad_length": N_("A length of %(value)s is not taken; 1 to %(limit)s characters are."),
    "too_long": N_("%(value)s characters are too many; at most %(limit)s are taken."),
    "bad_idempotency_key": N_("The Idempotency-Key must have 1 to %(limit)s characters."),
    "not_one_of": N_("'%(value)s' is none of %(expected)s."),
    "not_an_id": N_("'%(value)s' is no id. Upload the file and use the id of the answer."),
    "wrong_type": N_("'%(value)s' has the wrong type; %(expected)s is needed."),
    "password_length": N_("A password has %(low)s to %(high)s characters. Several words do well."),
    "password_guessable": N_("This password is among the first that are guessed. Take another."),
    "wrong_password": N_("This is not your password."),
    "wrong_code": N_("This code does not fit. Take the one that your app shows now."),
    "not_repeated": N_("The two passwords differ. Type the same one twice."),
    "name_taken": N_("Somebody is already called '%(value)s'. Choose another name."),
    "name_reserved": N_("In its records the studio calls itself '%(value)s'. Choose another name."),
    "unprintable": N_("A name holds only characters that can be seen."),
    "not_usable": N_("'%(value)s' cannot be used: %(why)s."),
    "does_not_fit": N_("%(why)s %(fits)s"),
}

_PYDANTIC: Mapping[str, tuple[str, str]] = {
    "missing": ("missing", ""),
    "extra_forbidden": ("unknown_parameter", ""),
    "greater_than_equal": ("too_small", "ge"),
    "less_than_equal": ("too_large", "le"),
    "greater_than": ("not_above", "gt"),
    "less_than": ("not_below", "lt"),
    "too_long": ("too_many", "max_length"),
    "too_short": ("too_few", "min_length"),
    "literal_error": ("not_one_of", ""),
    "string_pattern_mismatch": ("not_an_id", ""),
}
# What a value of the wrong type should have been, by the first word of pydantic's code.
TYPES: Mapping[str, str] = {
    "int": N_("a whole number"),
    "float": N_("a number"),
    "finite": N_("a number"),
    "bool": N_("true or false"),
    "string": N_("a text"),
    "list": N_("a list"),
    "dict": N_("an object"),
    "model": N_("an object"),
}
_SHOWN_LENGTH = 80


def pointer(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one field: a JSON pointer, a code of :data:`FAULTS`, its values."""

    pointer: str
    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_pydantic(cls, error: Mapping[str, Any], below: str) -> Fault:
        """Translate an entry of ``ValidationError.errors()`` into our words."""
        where = below + pointer(*error["loc"])
        context = error.get("ctx") or {}
        value = _shown(error["input"])
        code, limit = _PYDANTIC.get(error["type"], ("", ""))
        if code in ("too_many", "too_few"):
            value = context.get("actual_length", value)
        if code:
            values = {"value": value, "limit": context.get(limit), **context}
            if "expected" in context:  # choices, in an English sentence
                values["expected"] = context["expected"].replace(" or ", ", ")
            return cls(where, code, values)
        if error["type"] == "value_error":
            return cls(where, "not_usable", {"value": value, "why": context["error"]})
        wanted = TYPES.get(error["type"].partition("_")[0], error["msg"])
        return cls(where, "wrong_type", {"value": value, "expected": wanted})

    @classmethod
    def of_misfit(cls, misfit: Misfit) -> Fault:
        """A parameter that does not fit what others name. Its values ``why`` and ``fits`` (what to
        do next) are texts, which are filled from the others."""
        said = {"why": misfit.message, "fits": misfit.hint}
        return cls(f"/params/{misfit.name}", "does_not_fit", {**misfit.values, **said})


def _shown(value: Any) -> str:
    """A value as JSON writes it, without the quotes of a text, cut where it is long."""
    plain = json.dumps(value) if value is None or isinstance(value, bool) else str(value)
    return plain[:_SHOWN_LENGTH]


class RefusedError(Exception):
    """A request cannot be granted: ``code`` of :data:`REFUSALS`, and the faults found."""

    def __init__(self, code: str, faults: Sequence[Fault] = (), **values: Any) -> None:
        super().__init__(code, *faults)
        self.code, self.faults, self.values = code, tuple(faults), values

    @property
    def refusal(self) -> Refusal:
        """Its status and words."""
        return REFUSALS[self.code]
