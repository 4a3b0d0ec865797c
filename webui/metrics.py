"""``/metrics``: the studio in figures, in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/. What the database knows is the same
from every web process; request durations and ``process_*`` are this process's own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

from flask import Blueprint, Flask, Response, current_app, g, request
from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from jobs import figures
from jobs.access import accounts
from jobs.database import DatabaseDownError
from jobs.figures import Figures
from jobs.refusals import RefusedError
from jobs.settings import LOOPBACK
from webui import services
from webui.studio import Studio, studio

# Several who scrape, or one who scrapes too often, cost no more than one question in so long.
FRESH_SECONDS = 3.0
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Parts of the site by what their answers cost; everything else below /api is "api".
ROUTES = {"pages": "pages", "files": "files", "health": "health", "metrics": "health"}

# What a slot measures of itself, by its name in the vitals; those of a silent one are left out.
VITALS = {
    "gpu": ("gpu_utilisation_ratio", "Share of time in which the GPU was in use."),
    "gpu_memory": ("gpu_memory_used_bytes", "Memory of the GPU in use."),
    "gpu_memory_total": ("gpu_memory_bytes", "Memory of the GPU."),
    "temperature": ("temperature_celsius", "Temperature of the GPU."),
    "cpu": ("cpu_utilisation_ratio", "Share of all cores of the slot's machine in use."),
    "memory": ("memory_used_bytes", "Memory of the slot's machine in use."),
    "memory_total": ("memory_bytes", "Memory of the slot's machine."),
    "job_memory": ("job_memory_bytes", "Resident memory of the run in the slot."),
    "steps_per_second": ("steps_per_second", "Steps per second of the run in the slot."),
}

metrics = Blueprint("metrics", __name__)


def install(app: Flask, opened: Studio) -> None:
    """Measure every request of ``app`` and keep what /metrics tells."""
    registry = CollectorRegistry()
    registry.register(StudioCollector(opened))
    ProcessCollector(registry=registry)
    durations = Histogram(
        "atelier_web_request_seconds",
        "Seconds until an answer began, by part of the site and class of status.",
        ("route", "status"),
        buckets=BUCKETS,
        registry=registry,
    )
    app.extensions["atelier-metrics"] = registry

    def begin() -> None:
        g.began = time.perf_counter()

    def measure(answer: Response) -> Response:
        if "began" in g:
            status = f"{answer.status_code // 100}xx"
            durations.labels(_route(), status).observe(time.perf_counter() - g.began)
        return answer

    app.before_request(begin)
    app.after_request(measure)


@metrics.get("/metrics")
def show() -> Response:
    """The figures, for who may see them."""
    _check_reader()
    shown = generate_latest(current_app.extensions["atelier-metrics"])
    return Response(shown, content_type=CONTENT_TYPE_PLAIN_0_0_4)


class StudioCollector(Collector):
    """What the database and the storage know, asked at most once in :data:`FRESH_SECONDS`."""

    def __init__(self, opened: Studio) -> None:
        self._studio = opened
        self._asking = threading.Lock()
        self._kept: Figures | None = None
        self._kept_at = float("-inf")

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every family; those of the database are missing while it is away."""
        found = self._figures()
        up = "1 while the database answers, else 0."
        yield GaugeMetricFamily("atelier_database_up", up, value=float(found is not None))
        yield from _storage(self._studio)
        if found is not None:
            yield from _of_jobs(found)
            yield from _of_queues(found)
            yield from _of_slots(found)
            yield from _of_services(found)

    def _figures(self) -> Figures | None:
        with self._asking:
            if time.monotonic() - self._kept_at > FRESH_SECONDS:
                try:
                    with self._studio.database.snapshot() as session:
                        self._kept = figures.read(session)
                except DatabaseDownError:
                    self._kept = None
                self._kept_at = time.monotonic()
            return self._kept


def _of_jobs(found: Figures) -> Iterator[Metric]:
    jobs = GaugeMetricFamily(
        "atelier_jobs", "Jobs that there are.", labels=("state", "kind", "resource")
    )
    for (state, kind, resource), many in sorted(found.jobs().items()):
        jobs.add_metric((state, kind, resource), many)
    yield jobs
    labels = ("kind", "resource", "from", "to", "reason")
    moves = CounterMetricFamily(
        "atelier_job_moves",
        "Changes of state; to running is a claim; from nothing is a commission.",
        labels=labels,
    )
    seconds = CounterMetricFamily(
        "atelier_job_run_seconds",
        "Seconds that attempts have run, counted when they end, by how they ended.",
        labels=labels,
    )
    for move in found.moves:
        values = (move.kind, move.resource, move.source, move.target, move.reason)
        moves.add_metric(values, move.many)
        if move.source == "running":
            seconds.add_metric(values, move.run_seconds)
    yield moves
    yield seconds


def _of_queues(found: Figures) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("atelier_queue_waiting", "Jobs that wait.", labels=("resource",))
    oldest = GaugeMetricFamily(
        "atelier_queue_oldest_wait_seconds",
        "Seconds that the first of the waiting jobs has waited; 0 when none waits.",
        labels=("resource",),
    )
    for queue in found.queues:
        waiting.add_metric((queue.resource,), queue.waiting)
        oldest.add_metric((queue.resource,), queue.oldest_wait)
    yield waiting
    yield oldest


def _of_slots(found: Figures) -> Iterator[Metric]:
    labels = ("slot", "machine", "resource")
    states = GaugeMetricFamily(
        "atelier_slot_state", "1 for the state a slot is in.", labels=(*labels, "state")
    )
    beats = GaugeMetricFamily(
        "atelier_slot_beat_age_seconds", "Seconds since a slot's last beat.", labels=labels
    )
    measured = {
        key: GaugeMetricFamily(f"atelier_slot_{name}", words, labels=labels)
        for key, (name, words) in VITALS.items()
    }
    for slot in found.slots:
        named = (slot.name, slot.machine, slot.resource)
        for key, family in measured.items():
            if slot.state != "silent" and isinstance(slot.vitals.get(key), (int, float)):
                family.add_metric(named, slot.vitals[key])
        states.add_metric((*named, slot.state), 1)
        beats.add_metric(named, slot.beat_age)
    yield states
    yield beats
    yield from measured.values()


def _of_services(found: Figures) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "atelier_database_latency_seconds",
        "Seconds of a trivial statement.",
        value=found.database_seconds,
    )
    if found.keeper_age is not None:
        yield GaugeMetricFamily(
            "atelier_keeper_last_turn_age_seconds",
            "Seconds since the keeper last did its chores.",
            value=found.keeper_age,
        )


def _storage(opened: Studio) -> Iterator[Metric]:
    room = services.room(opened)
    if room is not None:
        yield GaugeMetricFamily(
            "atelier_storage_free_bytes",
            "Bytes that the storage still takes; +Inf where that cannot be asked.",
            value=room,
        )
    yield GaugeMetricFamily(
        "atelier_storage_needed_bytes",
        "Free bytes below which no job starts (ATELIER_FREE_BYTES).",
        value=opened.settings.free_bytes,
    )


def _route() -> str:
    if request.endpoint == "static":
        return "static"
    if request.blueprint in ROUTES:
        return ROUTES[request.blueprint]
    return "api" if request.path.startswith("/api/") else "other"


def _check_reader() -> None:
    """A token of scope ``metrics`` or of an administrator; from this machine none is needed,
    unless ``PUBLIC_URL`` is set: behind a proxy everybody comes from loopback.
    """
    bearer = request.authorization
    if bearer is not None and bearer.type == "bearer" and bearer.token:
        with studio().database.begin() as session:
            if accounts.asker(session, bearer.token, "metrics") is not None:
                return
            asker = accounts.asker(session, bearer.token, "api")
        if asker is None:
            raise RefusedError("unauthenticated")
        if not asker.is_administrator:
            raise RefusedError("administrators_only")
    elif request.remote_addr not in LOOPBACK or studio().settings.public_url:
        raise RefusedError("unauthenticated")
