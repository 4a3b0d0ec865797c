"""What needs a hand: each thing that can be wrong with a studio, its words, and what mends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engines.kind import N_
from jobs.office.overview import Disk, Overview

# The keeper tells of itself every few seconds.
KEEPER_SILENCE_SECONDS = 20.0
SLOW_DATABASE_SECONDS = 0.5
FULL_SOON = timedelta(days=7)
LITTLE_LEFT = 0.05

WORDS: Mapping[str, str] = {
    "database_slow": N_("The database answers slowly: %(seconds)s s for a trivial question."),
    "redis_away": N_("Redis does not answer. Jobs run on; they begin up to 2 seconds later."),
    "storage_away": N_("The stored files cannot be reached: nothing can be uploaded or finished."),
    "keeper_away": N_("The keeper has done nothing for %(seconds)s s: lost jobs are not rescued."),
    "keeper_unknown": N_("No keeper has ever led: lost jobs are not rescued."),
    "maintenance": N_("The studio is under maintenance and takes no jobs: %(message)s"),
    "queue_paused": N_("The queue %(queue)s is paused; waiting in it: %(waiting)s. %(message)s"),
    "queue_stuck": N_("A job waits in the queue %(queue)s beside an idle slot."),
    "queue_unserved": N_("No slot serves the queue %(queue)s; waiting in it: %(waiting)s."),
    "slot_silent": N_("The slot %(slot)s has been silent for %(seconds)s s."),
    "slot_quarantined": N_("The slot %(slot)s is in quarantine: %(because)s"),
    "disk_full": N_("Only %(free)s of %(total)s of the disk are free."),
    "disk_full_soon": N_("The disk will be full on %(day)s, as things go."),
    "poisoned": N_("Jobs that broke at the same place every time: %(count)s."),
    "failures": N_("Jobs that failed within the last hour: %(count)s."),
    "losing": N_("Jobs that lose their worker again and again, with nothing saved: %(count)s."),
}
# What to do where no button of ours mends it.
HINTS: Mapping[str, str] = {
    "database_slow": N_("Look at the load and the disk of its machine."),
    "redis_away": N_("See that its process runs, and look at its log."),
    "storage_away": N_("See that its folder is mounted, or that its service answers."),
    "keeper_away": N_("See that its process runs, and look at its log."),
    "keeper_unknown": N_("Start it: python -m jobs.keeper"),
    "queue_unserved": N_("Start a worker for it, or let a drained slot take jobs again."),
    "slot_silent": N_("See that its machine and worker run. Forget it if it is gone for good."),
    "losing": N_("If it is a job that ends its workers, as one that takes all memory, cancel it."),
    "disk_full": N_("Remove old works, or make the disk larger. Once it is full nothing begins."),
    "disk_full_soon": N_("Remove old works, or make the disk larger."),
}


@dataclass(frozen=True)
class Services:
    """How the parts answered that are not in the database: seconds, or None when away."""

    database_seconds: float
    redis_seconds: float | None
    storage_answers: bool


@dataclass(frozen=True)
class Alarm:
    """Something that needs a hand: a code of :data:`WORDS`, its values, and the name of the action
    that mends it with what it is about; ``grave`` ones lose or stop work."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)
    remedy: str = ""
    subject: str = ""
    grave: bool = False


def alarms(seen: Overview, services: Services, least_free: int) -> list[Alarm]:
    """All that needs a hand, the gravest first. ``least_free`` bytes stop every start."""
    found = [
        *_of_services(seen, services),
        *_of_disk(seen.disk, seen, least_free),
        *_of_slots(seen),
        *_of_queues(seen),
        *_of_jobs(seen),
    ]
    return sorted(found, key=lambda alarm: not alarm.grave)


def _of_services(seen: Overview, services: Services) -> Iterator[Alarm]:
    if services.database_seconds > SLOW_DATABASE_SECONDS:
        yield Alarm("database_slow", {"seconds": f"{services.database_seconds:.1f}"}, grave=True)
    if not services.storage_answers:
        yield Alarm("storage_away", grave=True)
    if services.redis_seconds is None:
        yield Alarm("redis_away")
    silence = seen.keeper_silence
    if silence is None:
        yield Alarm("keeper_unknown", grave=True)
    elif silence > KEEPER_SILENCE_SECONDS:
        yield Alarm("keeper_away", {"seconds": round(silence)}, grave=True)


def _of_disk(disk: Disk | None, seen: Overview, least_free: int) -> Iterator[Alarm]:
    if disk is None:
        return
    if disk.free_bytes < max(2 * least_free, LITTLE_LEFT * disk.total_bytes):
        sizes = {"free": bytes_words(disk.free_bytes), "total": bytes_words(disk.total_bytes)}
        yield Alarm("disk_full", sizes, grave=True)
    elif disk.full_at is not None and disk.full_at - seen.at < FULL_SOON:
        yield Alarm("disk_full_soon", {"day": disk.full_at.date().isoformat()})


def _of_slots(seen: Overview) -> Iterator[Alarm]:
    for each in seen.slots:
        name = each.slot.name
        if each.silent:
            seconds = round((seen.at - each.slot.beat_at).total_seconds())
            silent = {"slot": name, "seconds": seconds}
            yield Alarm("slot_silent", silent, "forget", name, grave=each.job is not None)
        elif each.quarantined:
            told = {"slot": name, "because": each.slot.drained_because}
            yield Alarm("slot_quarantined", told, "undrain", name)


def _of_queues(seen: Overview) -> Iterator[Alarm]:
    if seen.maintenance is not None:
        message = {"message": seen.maintenance.message}
        yield Alarm("maintenance", message, "end_maintenance", "studio")
    for queue in seen.queues:
        told: dict[str, Any] = {"queue": queue.name, "waiting": queue.waiting}
        if queue.closure is not None:
            told["message"] = queue.closure.message
            yield Alarm("queue_paused", told, "resume_queue", queue.name)
        elif queue.waiting and not queue.slots:
            yield Alarm("queue_unserved", told, subject=queue.name, grave=True)
        elif queue.stuck:
            yield Alarm("queue_stuck", told, "wake", queue.name)


def _of_jobs(seen: Overview) -> Iterator[Alarm]:
    if seen.poisoned:
        yield Alarm("poisoned", {"count": seen.poisoned}, "review_poisoned")
    if seen.losing:
        yield Alarm("losing", {"count": seen.losing})
    if failed := sum(seen.failures.values()):
        yield Alarm("failures", {"count": failed}, "review_failures")


def bytes_words(count: float) -> str:
    """A size as people read it, e.g. ``1.5 GB``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit in ("B", "kB") or count >= 100 else f"{count:.1f} {unit}"
