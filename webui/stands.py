"""What an administrator's pages show of slots, queues and services, in words and short figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import url_for

from engines.kind import N_
from engines.registry import KINDS
from jobs.office import alarms
from jobs.office.alarms import Alarm, bytes_words
from jobs.office.overview import Overview, SlotStand
from jobs.service import shown_status
from webui import durations
from webui.cards import STATUS_WORDS
from webui.texts import _, filled

# The button that mends something: its words, and where it leads.
REMEDIES: dict[str, tuple[str, str, dict[str, str]]] = {
    "undrain": (N_("Let it take jobs again"), "pages.act_on_slot", {"action": "undrain"}),
    "forget": (N_("Forget it"), "pages.act_on_slot", {"action": "forget"}),
    "resume_queue": (N_("Resume the queue"), "pages.act_on_queue", {"action": "resume"}),
    "wake": (N_("Wake its slots"), "pages.act_on_queue", {"action": "wake"}),
    "end_maintenance": (N_("End maintenance"), "pages.maintenance", {"action": "end"}),
}
REVIEWS: dict[str, tuple[str, dict[str, str]]] = {
    "review_poisoned": (N_("Look at them"), {"status": "failed", "reason": "poisoned"}),
    "review_failures": (N_("Look at them"), {"status": "failed", "since": "1h"}),
}
STATES = {
    "silent": N_("silent"),
    "quarantined": N_("quarantined"),
    "drained": N_("drained"),
    "busy": N_("at work"),
    "ready": N_("ready"),
    "preparing": N_("preparing"),
}


@dataclass(frozen=True)
class Need:
    """An alarm as the page shows it: what is wrong, what to do, and the button that does it."""

    code: str
    key: str
    detail: str
    hint: str
    grave: bool
    label: str
    address: str
    acts: bool


def need(alarm: Alarm) -> Need:
    """An alarm with its button."""
    label, address, acts = "", "", False
    if alarm.remedy in REMEDIES:
        words, endpoint, values = REMEDIES[alarm.remedy]
        about: dict[str, Any] = dict(values)
        if alarm.remedy != "end_maintenance":
            about["name"] = alarm.subject
        label, address, acts = _(words), url_for(endpoint, **about), True
    elif alarm.remedy in REVIEWS:
        words, chosen = REVIEWS[alarm.remedy]
        filters: dict[str, Any] = dict(chosen)
        label, address = _(words), url_for("pages.all_jobs_page", **filters)
    return Need(
        code=alarm.code,
        key=f"{alarm.code}-{alarm.subject}",
        detail=filled(alarms.WORDS[alarm.code], alarm.values),
        hint=_(alarms.HINTS.get(alarm.code, "")),
        grave=alarm.grave,
        label=label,
        address=address,
        acts=acts,
    )


def state(each: SlotStand) -> str:
    """A word of :data:`STATES` for a slot."""
    if each.silent:
        return "silent"
    if each.quarantined:
        return "quarantined"
    if each.job is not None:
        return "busy"
    if each.slot.drained_at is not None:
        return "drained"
    return "ready" if each.slot.standby else "preparing"


def figures(each: SlotStand, now: datetime) -> list[tuple[str, str]]:
    """What a slot tells, each with its name; a dash for what is not known."""
    vitals: dict[str, Any] = each.slot.vitals or {}
    job = each.job
    rate, use = vitals.get("steps_per_second"), vitals.get("gpu", vitals.get("cpu"))
    began = job.started_at if job is not None else None
    left = job.progress.get("seconds_left") if job is not None else None
    heat = vitals.get("temperature")
    return [
        (_("since"), "–" if began is None else short((now - began).total_seconds())),
        (_("left"), "–" if left is None else short(float(left))),
        (_("steps/s"), "–" if rate is None or job is None else f"{rate:.3g}"),
        (_("memory"), _memory(vitals)),
        (_("in use"), "–" if use is None else f"{100 * use:.0f} %"),
        (_("heat"), "–" if heat is None else f"{heat} °C"),
        (_("load"), "–" if "load" not in vitals else f"{vitals['load']:.1f}"),
        (_("last beat"), short((now - each.slot.beat_at).total_seconds())),
    ]


def title_of(each: SlotStand) -> str:
    """The kind of what runs in a slot, in words."""
    assert each.job is not None
    kind = KINDS.get(each.job.kind)
    return _(kind.title) if kind else each.job.kind


def status_words(job: Any) -> str:
    """A job's status in words."""
    return _(STATUS_WORDS[shown_status(job)])


def disk_words(seen: Overview) -> str:
    """When the disk will be full, as far as that is known."""
    if seen.disk is None:
        return _("not measured yet")
    if not seen.disk.known:
        return _("when it will be full is not known yet")
    if seen.disk.full_at is None:
        return _("not within a year, as things go")
    return filled(N_("full on %(day)s, as things go"), {"day": seen.disk.full_at.date()})


def short(seconds: float) -> str:
    """A length of time in few characters, e.g. ``42 s``, ``7 min``, ``3 h 20 min``."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def time_words(moment: datetime | None) -> str:
    """A time for people who compare times: UTC to the second."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def everywhere() -> dict[str, Any]:
    """What an administrator's templates may use."""
    return {
        "about": durations.about,
        "short": short,
        "when": time_words,
        "size": bytes_words,
        "state_of": state,
        "state_words": lambda each: _(STATES[state(each)]),
        "figures_of": figures,
        "title_of": title_of,
        "status_words_of": status_words,
    }


def _memory(vitals: dict[str, Any]) -> str:
    for used, total in (("gpu_memory", "gpu_memory_total"), ("memory", "memory_total")):
        if used in vitals and total in vitals:
            return f"{bytes_words(vitals[used])} / {bytes_words(vitals[total])}"
    return "–"
