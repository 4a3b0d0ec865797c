"""How the administrator's things look in the API."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from flask import url_for

from jobs.models import AuditRow, Checkpoint, Closure, Job
from jobs.office import alarms, review
from jobs.office.alarms import Alarm, Services
from jobs.office.overview import Disk, Overview, QueueStand, SlotStand
from jobs.records import audit
from jobs.service import shown_status
from webui.api import shapes
from webui.texts import filled


def overview(seen: Overview, services: Services, needs: list[Alarm]) -> dict[str, Any]:
    """The whole studio; what needs a hand comes first."""
    return {
        "at": shapes.time(seen.at),
        "alarms": [alarm(each) for each in needs],
        "slots": [slot(each) for each in seen.slots],
        "queues": [queue(each) for each in seen.queues],
        "maintenance": closure(seen.maintenance),
        "services": {
            "database": {"answers": True, "seconds": round(services.database_seconds, 4)},
            "redis": {
                "answers": services.redis_seconds is not None,
                "seconds": services.redis_seconds and round(services.redis_seconds, 4),
            },
            "storage": {"answers": services.storage_answers},
            "keeper": {
                "last_turn_at": shapes.time(seen.keeper_at),
            },
        },
        "disk": disk(seen.disk),
        "failures": {"last_hour": dict(seen.failures), "poisoned": seen.poisoned},
    }


def alarm(each: Alarm) -> dict[str, Any]:
    """Something that needs a hand."""
    return {
        "code": each.code,
        "detail": filled(alarms.WORDS[each.code], each.values),
        "hint": filled(alarms.HINTS.get(each.code, ""), {}),
        "remedy": each.remedy or None,
        "subject": each.subject or None,
        "grave": each.grave,
    }


def slot(each: SlotStand) -> dict[str, Any]:
    """A slot with the job in it and what its worker measured."""
    row, job = each.slot, each.job
    return {
        "id": row.name,
        "machine": row.machine,
        "resource": row.resource,
        "device": row.device,
        "ready": row.standby,
        "silent": each.silent,
        "drained_at": shapes.time(row.drained_at),
        "drained_because": row.drained_because,
        "last_beat_at": shapes.time(row.beat_at),
        "vitals": row.vitals or {},
        "job": job
        and {
            "id": str(job.id),
            "kind": job.kind,
            "owner": each.owner,
            "status": shown_status(job),
            "started_at": shapes.time(job.started_at),
            "attempt": job.attempt,
            "percent": round(100 * float(job.progress.get("share", 0.0)), 1),
            "run_eta_seconds": job.progress.get("seconds_left"),
        },
    }


def queue(each: QueueStand) -> dict[str, Any]:
    """A queue."""
    return {
        "id": each.name,
        "waiting": each.waiting,
        "running": each.running,
        "slots": each.slots,
        "oldest_seconds": None if each.oldest_seconds is None else round(each.oldest_seconds, 1),
        "eta_seconds": each.eta_seconds,
        "paused": closure(each.closure),
        "stuck": each.stuck,
    }


def closure(row: Closure | None) -> dict[str, Any] | None:
    """Since when and why something is closed."""
    if row is None:
        return None
    return {
        "since": shapes.time(row.since),
        "message": row.message,
        "retry_seconds": row.retry_seconds,
    }


def disk(seen: Disk | None) -> dict[str, Any] | None:
    """The disk; ``trend_known`` says whether ``full_at`` means anything."""
    if seen is None:
        return None
    return {
        "free_bytes": seen.free_bytes,
        "total_bytes": seen.total_bytes,
        "measured_at": shapes.time(seen.at),
        "trend_known": seen.known,
        "full_at": shapes.time(seen.full_at),
    }


def brief(row: Job, owner: str) -> dict[str, Any]:
    """A job in a list over all owners."""
    return {
        "id": str(row.id),
        "kind": row.kind,
        "owner": owner,
        "status": shown_status(row),
        "reason": row.reason,
        "resource": row.resource,
        "priority": row.priority,
        "slot": row.slot,
        "attempt": row.attempt,
        "percent": round(100 * float(row.progress.get("share", 0.0)), 1),
        "created_at": shapes.time(row.created_at),
        "started_at": shapes.time(row.started_at),
        "ended_at": shapes.time(row.ended_at),
        "url": url_for("admin.job", job_id=row.id),
    }


def whole(seen: review.Whole) -> dict[str, Any]:
    """A job in full."""
    row = seen.job
    return {
        **brief(row, seen.owner),
        "params": row.params,
        "tags": row.tags,
        "progress": row.progress,
        "error": row.error,
        "attempts": [
            {
                "number": each.number,
                "slot": each.slot,
                "fence": each.fence,
                "began_at": shapes.time(each.began_at),
                "ended_at": shapes.time(each.ended_at),
                "outcome": each.outcome,
                "reason": each.reason,
            }
            for each in seen.attempts
        ],
        "events": [
            {"seq": each.seq, "type": each.type, "at": shapes.time(each.at), "data": each.data}
            for each in seen.events
        ],
        "causes": [
            {"fence": each.fence, "at": shapes.time(each.at), "words": each.words}
            for each in seen.causes
        ],
        "checkpoints": [checkpoint(each.row, each.size) for each in seen.checkpoints],
        "files": [
            {
                "id": str(each.id),
                "role": each.role,
                "name": each.name,
                "media_type": each.media_type,
                "sha256": each.sha256,
                "url": url_for("admin.job_file", job_id=row.id, file_id=each.id),
            }
            for each in seen.files
        ],
        "log_url": url_for("admin.job_log", job_id=row.id),
    }


def checkpoint(row: Checkpoint, size: int) -> dict[str, Any]:
    """A saved state."""
    return {
        "id": str(row.id),
        "step": row.step,
        "size": size,
        "sha256": row.sha256,
        "fence": row.fence,
        "created_at": shapes.time(row.created_at),
        "check_url": url_for("admin.check_checkpoint", job_id=row.job_id, checkpoint_id=row.id),
    }


def audit_row(row: AuditRow) -> dict[str, Any]:
    """A change that an administrator made."""
    return {
        "id": row.id,
        "at": shapes.time(row.at),
        "actor": row.actor,
        "actor_id": str(row.actor_id) if row.actor_id else None,
        "action": row.action,
        "target": row.target,
        "reason": row.reason,
        "before": row.before,
        "after": row.after,
    }


def audit_checked(found: audit.Checked) -> dict[str, Any]:
    """What a look at the whole audit log found."""
    return {
        "rows": found.rows,
        "seals": found.seals,
        "unsealed": found.unsealed,
        "head": found.head,
        "wrong": [{"subject": each.subject, "detail": each.words} for each in found.wrong],
    }


def tag(body: dict[str, Any]) -> str:
    """Changes whenever an overview says something else; the time and latencies say nothing."""
    told = {name: value for name, value in body.items() if name not in ("at", "services")}
    services = {name: part.get("answers") for name, part in body["services"].items()}
    return hashlib.sha256(json.dumps([told, services], sort_keys=True).encode()).hexdigest()[:32]
