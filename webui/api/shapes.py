"""How jobs, files and kinds look in the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask import url_for

from engines.kind import Kind
from engines.models import ModelFacts
from jobs.expectation import Expected
from jobs.listing import Place
from jobs.models import File, Frame, Job, Slot
from jobs.records import frames, metrics
from jobs.records.series import Column, Columns
from jobs.service import is_settled, shown_status
from jobs.states import Reason
from jobs.stored.trained import Trained
from webui.curves import interval, named
from webui.outlook import Outlook
from webui.texts import _, filled, phase_text


def time(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def job(
    row: Job, outputs: Sequence[File], place: Place | None, run: Expected | None
) -> dict[str, Any]:
    """A job with its progress, place, outputs and addresses, and how long it should run."""
    return {
        "id": str(row.id),
        "kind": row.kind,
        "status": shown_status(row),
        "reason": row.reason,
        "version": row.version,
        "params": row.params,
        "priority": row.priority,
        "tags": row.tags,
        "parent_id": str(row.parent_id) if row.parent_id else None,
        "progress": progress(row),
        "queue": place and {"position": place.position, "eta_seconds": place.eta_seconds},
        "expected": expected(run),
        "run_eta_seconds": seconds_left(row),
        "run_seconds": row.run_seconds,
        "attempt": row.attempt,
        "resumed_from_step": row.resumed_from_step,
        "deadline_at": time(row.deadline_at),
        "created_at": time(row.created_at),
        "started_at": time(row.started_at),
        "ended_at": time(row.ended_at),
        "snapshots": list(row.snapshots),
        "outputs": [output(file) for file in outputs],
        "error": error(row),
        "urls": urls(row),
    }


def expected(run: Expected | None) -> dict[str, Any] | None:
    """How long a run should take."""
    return run and {"seconds": round(run.seconds, 1), "guessed": run.guessed}


def progress(row: Job) -> dict[str, Any]:
    """How far a job is."""
    return {
        "phase": phase_text(row.progress.get("phase")),
        "step": row.progress.get("step", 0),
        "total": row.progress.get("total"),
        "percent": round(100 * float(row.progress.get("share", 0.0)), 1),
        "metrics": row.progress.get("metrics", {}),
        "best_step": row.progress.get("best_step"),
        "notices": notices(row),
        "remarks": notices(row, calm=True),
    }


def seconds_left(row: Job) -> float | None:
    """How long its run still takes, if that is known."""
    return None if is_settled(row) else row.progress.get("seconds_left")


def notices(row: Job, *, calm: bool = False) -> list[str]:
    """Warnings about the run as it is now, or was at its end, in words; the ``calm`` ones are
    remarks, and no warnings."""
    told = row.progress.get("notices", ())
    return [phase_text(notice) for notice in told if notice.get("calm", False) == calm]


def error(row: Job) -> dict[str, Any] | None:
    """Why a job did not succeed, in words; never a traceback."""
    if row.state not in ("failed", "paused") or row.reason is None:
        return None
    told = row.error or {}
    detail, values = told.get("message") or Reason(row.reason).meaning, told.get("values", {})
    return {
        "code": row.reason,
        "detail": filled(detail, values),
        "pointer": told.get("pointer"),
        "hint": filled(told.get("hint", ""), values),
        "lasting": Reason(row.reason).lasting,
    }


def urls(row: Job) -> dict[str, str | None]:
    """Where a job's page, picture and actions are."""
    picture = row.preview_sha256
    return {
        "self": url_for("jobs.show", job_id=row.id),
        "page": url_for("pages.job_page", job_id=row.id),
        "preview": url_for("jobs.preview", job_id=row.id, v=picture[:12]) if picture else None,
        "log": url_for("logs.show", job_id=row.id),
        "events": url_for("events.stream", job_id=row.id),
        "metrics": url_for("timeline.figures", job_id=row.id),
        "frames": url_for("timeline.frames", job_id=row.id),
        "artifacts": url_for("jobs.artifacts", job_id=row.id),
        "archive": url_for("jobs.archive", job_id=row.id),
        **{
            action: url_for(f"jobs.{action}", job_id=row.id)
            for action in ("cancel", "pause", "resume", "retry", "rerun", "snapshot")
        },
    }


def output(row: File) -> dict[str, Any]:
    """A finished work; its id is a valid input of another job."""
    return {"role": row.role, **file(row)}


def file(row: File) -> dict[str, Any]:
    """A stored file."""
    return {
        "id": str(row.id),
        "name": row.name,
        "media_type": row.media_type,
        "sha256": row.sha256,
        "width": row.width,
        "height": row.height,
        "url": url_for("files.content", file_id=row.id),
    }


def series(kind: Kind | None, name: str, columns: Columns, points: int) -> dict[str, Any]:
    """One figure by step: ``[step, value]``, of a bucket ``[step, mean, lowest, highest]``.

    ``label`` and ``meaning`` are in the reader's language. ``interval`` has the ends ``[low,
    high]`` for each of the points, None for one without.
    With more than ``points`` of them the lowest and highest of equally large stretches are
    shown, and ``shown`` and ``method`` say so.
    """
    column = columns.get(name, Column())
    chosen = metrics.sampled(column, points)
    known, within = named(kind, name), interval(kind, name, columns)
    return {
        "name": name,
        "label": _(known.label),
        "meaning": _(known.meaning),
        "measured": column.measured,
        "kept": len(column),
        "shown": len(chosen),
        "method": "every_point" if len(chosen) == len(column) else "lowest_and_highest",
        "thinned_to": column.thinned_to,
        "points": [column.point(position) for position in chosen],
        "interval": within
        and {
            "percent": within.bounds.percent,
            "low": within.bounds.low,
            "high": within.bounds.high,
            "ends": [within.at(column.steps[position]) for position in chosen],
        },
    }


def frame(row: Frame, best_step: int | None) -> dict[str, Any]:
    """A picture of a job's timeline; ``best_step`` is the step of the run's best."""
    version = row.sha256[:12]
    return {
        "step": row.step,
        "score": row.score,
        "best": row.step == best_step,
        "at": time(row.at),
        "name": frames.name(row),
        "media_type": frames.MEDIA_TYPE,
        "sha256": row.sha256,
        "width": row.width,
        "height": row.height,
        "url": url_for("timeline.frame", job_id=row.job_id, step=row.step, v=version),
        "thumbnail": url_for(
            "pages.frame_thumbnail", job_id=row.job_id, step=row.step, v=version, size=160
        ),
    }


def worker(slot: Slot, running: Job | None, now: datetime) -> dict[str, Any]:
    """A slot, and what runs in it."""
    return {
        "id": slot.name,
        "machine": slot.machine,
        "resource": slot.resource,
        "device": slot.device,
        "ready": slot.standby,
        "drained": slot.drained_at is not None,
        "drained_because": slot.drained_because,
        "job_id": str(running.id) if running else None,
        "last_beat_seconds": round((now - slot.beat_at).total_seconds(), 1),
    }


def kind(row: Kind) -> dict[str, Any]:
    """A kind with the JSON schema of its parameters, titles in the reader's language."""
    schema = row.schema()
    for parameter in schema["properties"].values():
        for text in ("title", "description"):
            if text in parameter:
                parameter[text] = _(parameter[text])
    return {
        "name": row.name,
        "title": _(row.title),
        "summary": _(row.summary),
        "resource": row.resource,
        "params": schema,
    }


def outlook(found: Outlook) -> dict[str, Any]:
    """What a job would meet that came now."""
    return {
        "ahead": found.ahead,
        "wait_seconds": found.wait_seconds,
        "machines": found.machines,
        "run": expected(found.run),
        "presets": {name: expected(run) for name, run in found.presets.items()},
    }


def etag(row: Job, place: Place | None) -> str:
    """Changes whenever the answer would: the row's version, and the place while it waits."""
    return f"{row.version}-{place.position}" if place else str(row.version)


def model(found: Trained, *, whole: bool = False) -> dict[str, Any]:
    """A trained model; ``whole`` with where it comes from and what came of it."""
    picture, facts = found.picture, found.facts
    shown = {
        "id": str(found.row.id),
        "name": found.title,
        "sha256": found.row.sha256,
        "size": found.size,
        "created_at": time(found.row.created_at),
        "job_id": str(found.made_by.id) if found.made_by else None,
        "facts": facts and _model_facts(facts),
        "picture": url_for("files.content", file_id=picture.id) if picture else None,
        "url": url_for("files.content", file_id=found.row.id),
        "page": url_for("pages.model_page", model_id=found.row.id),
    }
    if whole:
        shown["made_from"] = [
            {"to": origin.to, "id": origin.id, "name": origin.name} for origin in found.origins
        ]
        shown["used_by"] = [
            {
                "job_id": str(use.job.id),
                "kind": use.job.kind,
                "status": shown_status(use.job),
                "models": [str(child.id) for child in use.models],
            }
            for use in found.uses
        ]
    return shown


def _model_facts(facts: ModelFacts) -> dict[str, Any]:
    known = facts.config
    return {
        "architecture": known.architecture,
        "resolution": known.resolution,
        "latent": known.latent,
        "width": known.width,
        "labels": list(known.labels),
        "conditional": known.conditional,
        "trainable": facts.trainable,
        "parameters": facts.parameters,
        "origin": facts.origin,
    }
