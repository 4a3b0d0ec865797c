"""What people may ask of their jobs: submit, cancel, pause, resume, retry, rerun, list.

Every function takes a session inside one transaction and the id of the asking owner; what
belongs to somebody else is unknown to the asker.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import case, delete, func, insert, select
from sqlalchemy.orm import Session

from engines.kind import Kind, Params
from engines.registry import KINDS
from jobs import awaiting, closures, inputs, quotas
from jobs.models import Checkpoint, IdempotencyKey, Job, Slot
from jobs.moves import UnknownJobError, enter, lock_job, lock_share, move, note
from jobs.post import notices
from jobs.refusals import Fault, RefusedError
from jobs.settings import Settings
from jobs.states import ENDED, Reason, State, Wanted

PRIORITIES = range(-10, 11)
MAX_TAGS, MAX_TAG_LENGTH = 16, 64
MAX_KEY_LENGTH = 255


@dataclass(frozen=True)
class Order:
    """What somebody commissions."""

    kind: str
    params: Mapping[str, Any]
    priority: int = 0
    tags: Sequence[str] = ()
    parent_id: UUID | None = None
    deadline_at: datetime | None = None
    idempotency_key: str | None = None
    webhook: str | None = None


def submit(session: Session, owner_id: UUID, order: Order, settings: Settings) -> Job:
    """Commission a job: its row and first event, in the caller's transaction.

    With an idempotency key that was used before for the same order the job of then is
    returned. Raises :class:`RefusedError` naming every fault.
    """
    if order.idempotency_key is not None:
        known = _known_order(session, owner_id, order)
        if known is not None:
            return known
    closures.check_takes_jobs(session)
    _check_frame(order)
    kind = kind_named(order.kind)
    params = validated(kind, order.params)
    resource = _resource_for(session, kind)
    # Before the inputs, which whoever deletes a job locks after it.
    share = lock_share(session, owner_id, resource)
    found = inputs.resolved(session, owner_id, params)
    stored = inputs.known(session, owner_id, params)
    params = validated(kind, {**params.settled(stored), **order.params})
    inputs.refuse_misfits(params, stored)
    owned = quotas.limits_of(session, owner_id, settings)
    quotas.check_waiting(session, share, owned)
    quotas.check_disk(session, owner_id, 1, owned)
    work = params.arithmetic(stored)
    job = _insert(session, owner_id, order, params, work, found, resource)
    job = awaiting.settle(session, job)
    if order.idempotency_key is not None:
        session.execute(
            insert(IdempotencyKey).values(
                owner_id=owner_id,
                key=order.idempotency_key,
                request_sha256=_order_digest(order),
                job_id=job.id,
            )
        )
    return job


def get(session: Session, owner_id: UUID, job_id: UUID) -> Job:
    """The owner's job. Raises :class:`RefusedError` (``unknown_job``)."""
    job = session.execute(
        select(Job).where(Job.id == job_id, Job.owner_id == owner_id)
    ).scalar_one_or_none()
    if job is None:
        raise RefusedError("unknown_job")
    return job


def cancel(session: Session, owner_id: UUID, job_id: UUID) -> Job:
    """Stop for good. A running job becomes ``canceled`` once its process is gone."""
    job = mine(session, owner_id, job_id)
    if job.state in (State.QUEUED, State.PAUSED):
        return move(
            session,
            job,
            State.CANCELED,
            by="owner",
            reason=Reason.CANCELED_BY_USER,
            ended_at=func.clock_timestamp(),
        )
    if job.state == State.RUNNING and job.wanted != Wanted.CANCEL:
        job.wanted = str(Wanted.CANCEL)
        note(session, job, "wanted", {"wanted": str(Wanted.CANCEL), "by": "owner"})
    return job


def pause(session: Session, owner_id: UUID, job_id: UUID) -> Job:
    """Rest at a checkpoint. A running job becomes ``paused`` once its process is gone.

    One that rests already, and would go on by itself, stays at rest until it is resumed.
    """
    job = mine(session, owner_id, job_id)
    if job.state == State.QUEUED:
        return move(session, job, State.PAUSED, by="owner", reason=Reason.PAUSED_BY_USER)
    if job.state == State.PAUSED and job.reason != Reason.PAUSED_BY_USER:
        job.reason = str(Reason.PAUSED_BY_USER)
        note(session, job, "reason", {"reason": job.reason, "by": "owner"})
    if job.state == State.RUNNING and job.wanted == Wanted.RUN:
        job.wanted = str(Wanted.PAUSE)
        note(session, job, "wanted", {"wanted": str(Wanted.PAUSE), "by": "owner"})
    return job


def resume(session: Session, owner_id: UUID, job_id: UUID) -> Job:
    """Go on: a paused job is queued again, a job about to pause keeps running.

    One whose dataset is still being checked goes on by itself, and not before.
    """
    job = mine(session, owner_id, job_id)
    if awaiting.awaits(job):
        return job
    if job.state == State.PAUSED:
        job = move(session, job, State.QUEUED, by="owner", reason=Reason.RESUMED_BY_USER)
        return awaiting.settle(session, job)
    if job.state == State.RUNNING and job.wanted == Wanted.PAUSE:
        job.wanted = str(Wanted.RUN)
        note(session, job, "wanted", {"wanted": str(Wanted.RUN), "by": "owner"})
    return job


def retry(session: Session, owner_id: UUID, job_id: UUID, from_start: bool = False) -> Job:
    """Try a failed or canceled job again, from its newest checkpoint or from the start.

    A deadline that has passed meanwhile no longer holds.
    """
    job = mine(session, owner_id, job_id)
    if job.state not in (State.FAILED, State.CANCELED):
        return job
    inputs.hold(session, job)
    if from_start:
        session.execute(delete(Checkpoint).where(Checkpoint.job_id == job.id))
        job.best_score = None
    job = move(
        session,
        job,
        State.QUEUED,
        by="owner",
        reason=Reason.RETRIED_BY_USER,
        details={"resume": "start" if from_start else "checkpoint"},
        deaths=0,
        error=None,
        ended_at=None,
        deadline_at=case((Job.deadline_at > func.clock_timestamp(), Job.deadline_at)),
    )
    return awaiting.settle(session, job)


def rerun(
    session: Session,
    owner_id: UUID,
    job_id: UUID,
    changes: Mapping[str, Any],
    settings: Settings,
    idempotency_key: str | None = None,
    webhook: str | None = None,
) -> Job:
    """Commission a new job like ``job_id``, with some parameters changed; it names a webhook of its
    own or none."""
    parent = get(session, owner_id, job_id)
    order = Order(
        kind=parent.kind,
        params={**parent.given, **changes},
        priority=parent.priority,
        tags=parent.tags,
        parent_id=parent.id,
        idempotency_key=idempotency_key,
        webhook=webhook,
    )
    return submit(session, owner_id, order, settings)


def kind_named(name: object) -> Kind:
    """The kind called ``name``. Raises :class:`RefusedError` (``unknown_kind``)."""
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        known = ", ".join(KINDS)
        raise RefusedError(
            "invalid", faults=[Fault("/kind", "unknown_kind", {"value": name, "known": known})]
        )
    return kind


def validated(kind: Kind, given: Mapping[str, Any]) -> Params:
    """Parameters with presets and defaults filled in. Raises :class:`RefusedError`."""
    try:
        return kind.params.model_validate(dict(given))
    except ValidationError as refused:
        faults = [Fault.of_pydantic(error, "/params") for error in refused.errors()]
        raise RefusedError("invalid", faults=faults) from None


def is_settled(job: Job) -> bool:
    """Whether nothing more will happen to the job by itself."""
    return State(job.state) in ENDED


def shown_status(job: Job) -> str:
    """The status people see: ``pausing`` and ``canceling`` while a wish is not yet fulfilled."""
    if job.state == State.RUNNING and job.wanted != Wanted.RUN:
        return {Wanted.PAUSE: "pausing", Wanted.CANCEL: "canceling"}[Wanted(job.wanted)]
    return job.state


def mine(session: Session, owner_id: UUID, job_id: UUID) -> Job:
    """The owner's job, locked. Raises :class:`RefusedError` (``unknown_job``)."""
    try:
        return lock_job(session, job_id, owner_id)
    except UnknownJobError:
        raise RefusedError("unknown_job") from None


def _check_frame(order: Order) -> None:
    faults = []
    if order.priority not in PRIORITIES:
        limits = {"value": order.priority, "low": PRIORITIES[0], "high": PRIORITIES[-1]}
        faults.append(Fault("/priority", "out_of_range", limits))
    if order.deadline_at is not None and order.deadline_at <= datetime.now(UTC):
        value = {"value": order.deadline_at.isoformat()}
        faults.append(Fault("/deadline_at", "in_the_past", value))
    if len(order.tags) > MAX_TAGS:
        faults.append(Fault("/tags", "too_many", {"value": len(order.tags), "limit": MAX_TAGS}))
    for position, tag in enumerate(order.tags):
        if not 0 < len(tag) <= MAX_TAG_LENGTH:
            limits = {"value": len(tag), "limit": MAX_TAG_LENGTH}
            faults.append(Fault(f"/tags/{position}", "bad_length", limits))
    if faults:
        raise RefusedError("invalid", faults=faults)


def _resource_for(session: Session, kind: Kind) -> str:
    """``auto`` means a GPU where a GPU slot is registered: the keeper forgets silent ones."""
    if kind.resource != "auto":
        return kind.resource
    gpu = session.execute(select(Slot.name).where(Slot.resource == "gpu").limit(1)).first()
    return "gpu" if gpu else "cpu"


def _insert(
    session: Session,
    owner_id: UUID,
    order: Order,
    params: Params,
    work: float | None,
    found: inputs.Hashes,
    resource: str,
) -> Job:
    hook = notices.webhook_of_job(session, owner_id, order.webhook) if order.webhook else None
    return enter(
        session,
        owner_id,
        kind=order.kind,
        given=dict(order.params),
        params=params.model_dump(mode="json"),
        work=work,
        inputs=found,
        resource=resource,
        priority=order.priority,
        tags=list(order.tags),
        parent_id=order.parent_id,
        deadline_at=order.deadline_at,
        webhook_id=hook.id if hook else None,
    )


def _known_order(session: Session, owner_id: UUID, order: Order) -> Job | None:
    key = order.idempotency_key or ""
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        limits = {"value": len(key), "limit": MAX_KEY_LENGTH}
        raise RefusedError("invalid", faults=[Fault("", "bad_idempotency_key", limits)])
    # The same key sent twice at once: the second waits here until the first has committed.
    session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"{owner_id}/{key}", 0)))
    )
    known = session.get(IdempotencyKey, (owner_id, key))
    if known is None:
        return None
    if known.request_sha256 != _order_digest(order):
        raise RefusedError("idempotency_key_reused")
    return get(session, owner_id, known.job_id)


def _order_digest(order: Order) -> bytes:
    asked = {
        "kind": order.kind,
        "params": order.params,
        "priority": order.priority,
        "tags": list(order.tags),
        "parent": str(order.parent_id),
        "deadline": str(order.deadline_at),
    }
    if order.webhook:
        asked["webhook"] = order.webhook
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()
