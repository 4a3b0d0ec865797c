"""``/jobs/{id}/events``: what happens to a job, as it happens, as server-sent events; ``/events``:
the same of all one's jobs in one stream.

https://html.spec.whatwg.org/multipage/server-sent-events.html. Changes of its state are told
exactly, from ``Last-Event-ID`` on; progress, preview, metrics and log at the latest. Each stream
holds a thread of the web server, so they are bounded, and a reader may always poll instead.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request
from flask.globals import request_ctx
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from jobs import service
from jobs.access import accounts
from jobs.database import DatabaseDownError
from jobs.models import Event, Job
from jobs.records import logs
from jobs.refusals import RefusedError
from jobs.states import ENDED, State
from webui.api import reading, shapes
from webui.studio import owner_id, studio

events = Blueprint("events", __name__, url_prefix="/api/v1/jobs")
every = Blueprint("every", __name__, url_prefix="/api/v1/events")
LOOK_SECONDS = 1.0
COMMENT_SECONDS = 15.0
# Then the reader comes again, with a token that must still be good.
STREAM_SECONDS = 600.0
# Whether the token that began it still counts is looked at so often.
CHECK_SECONDS = 15.0
STREAMS_PER_OWNER = 4
# So much of a log at once; more is in ``/log``.
LOG_BYTES = 64 * 1024
# Of so many jobs at once tells one stream.
JOBS_TOLD = 200
MARGIN = timedelta(seconds=10)
# An event: its name, what it tells, and the number of a change.
Told = tuple[str, dict[str, Any], int | None]


class Streams:
    """How many streams are open in this process, by owner."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[UUID] = Counter()

    def open(self, owner: UUID, most: int) -> None:
        """Count one more. Raises :class:`RefusedError` when it is one too many."""
        with self._lock:
            if self._open[owner] >= STREAMS_PER_OWNER or self._open.total() >= most:
                raise RefusedError("too_many_streams")
            self._open[owner] += 1

    def close(self, owner: UUID) -> None:
        """One less."""
        with self._lock:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]


_streams = Streams()


@events.get("/<job_id>/events")
def stream(job_id: str) -> Response:
    """The events of a job until its end; 204 when everything of an ended one was told before."""
    owner = owner_id()
    with studio().database.begin() as session:
        row = service.get(session, owner, reading.id_of(job_id))
    told = _last_event_id()
    if service.is_settled(row) and told >= row.seq:
        return Response(status=204)
    return _streamed(owner, Teller(owner, row.id, told))


@every.get("")
def stream_of_all() -> Response:
    """The events of all one's jobs; each names its job, and may come twice after a break."""
    return _streamed(owner_id(), EveryTeller(owner_id(), _last_moment()))


def _streamed(owner: UUID, teller: Teller | EveryTeller) -> Response:
    _streams.open(owner, studio().settings.web_threads // 2)
    made = Response(_lines(teller, Entrance(g.asker.token_id)))
    # Closed by the server whether it was read to its end, broken off or never begun.
    made.call_on_close(lambda: _streams.close(owner))
    made.content_type = "text/event-stream; charset=utf-8"
    made.headers["Cache-Control"] = "no-store"
    made.headers["X-Accel-Buffering"] = "no"
    return made


class Entrance:
    """What a reader came in with: a session or token, which may end while they read."""

    def __init__(self, token_id: UUID) -> None:
        self._request, self._token_id = request_ctx.copy(), token_id
        self._due_at = time.monotonic() + CHECK_SECONDS

    def is_open(self) -> bool:
        """Whether it still counts, looked at now and then."""
        if time.monotonic() < self._due_at:
            return True
        self._due_at = time.monotonic() + CHECK_SECONDS
        try:
            with self._request.copy(), studio().database.begin() as session:
                return accounts.still_counts(session, self._token_id)
        except DatabaseDownError:
            return True  # nothing is told meanwhile


class Teller:
    """What one reader of a job has been told, and what is new since."""

    def __init__(self, owner: UUID, job_id: UUID, seq: int) -> None:
        self._request = request_ctx.copy()
        self._owner, self._job_id, self._seq = owner, job_id, seq
        self._version = -1
        self._last: dict[str, Any] = {}
        self._log: int | None = None
        self.ended = False

    def news(self) -> list[str]:
        """Everything that is new, as lines of the stream, of one moment. DatabaseDownError."""
        # Addresses and words need the request, which is over when its answer has begun.
        with self._request.copy(), studio().database.snapshot() as session:
            row = service.get(session, self._owner, self._job_id)
            found = [_event(*told) for told in self.of(session, row)]
        self.ended = service.is_settled(row)
        return found

    def of(self, session: Session, row: Job) -> Iterator[Told]:
        """What is new of the job, whose row is ``row``."""
        if row.seq > self._seq:
            yield from self._statuses(session)
        yield from self._latest(row)
        if row.state == State.RUNNING or self._log is not None:
            yield from self._lines(session)

    def _statuses(self, session: Session) -> Iterator[Told]:
        query = select(Event).where(Event.job_id == self._job_id, Event.seq > self._seq)
        for event in session.scalars(query.order_by(Event.seq)):
            self._seq = event.seq
            data = {"seq": event.seq, "type": event.type, "at": shapes.time(event.at)}
            yield "status", {**data, **event.data}, event.seq

    def _latest(self, row: Job) -> Iterator[Told]:
        if row.version == self._version:
            return
        self._version = row.version
        progress = shapes.progress(row)
        latest = {
            "progress": {**progress, "run_eta_seconds": shapes.seconds_left(row)},
            "preview": {"url": shapes.urls(row)["preview"]},
            "metric": {"step": progress["step"], "values": progress["metrics"]},
        }
        for name, data in latest.items():
            known = self._last.get(name)
            empty = not (data.get("url", True) and data.get("values", True))
            if data != known and not empty:
                self._last[name] = data
                yield name, data, None

    def _lines(self, session: Session) -> Iterator[Told]:
        size = logs.size(session, self._job_id)
        before, self._log = self._log, size
        if before is not None and size > before:
            said = logs.read(session, self._job_id, max(before, size - LOG_BYTES), size)
            yield "log", {"size": size, "text": said.decode("utf-8", "replace")}, None


class EveryTeller:
    """What one reader of all their jobs has been told, and what is new since.

    Changes are told of jobs that go on, those that run first and then the newest, up to
    :data:`JOBS_TOLD`; and of those that ended since the stream began, or since ``since``. Of jobs
    that are there when it begins comes the last change, or every one since then.
    """

    ended = False

    def __init__(self, owner: UUID, since: datetime | None) -> None:
        self._request = request_ctx.copy()
        self._owner, self._replay = owner, since
        # Who commits a change may have written it down some time before.
        self._since = (since or datetime.now(UTC)) - MARGIN
        self._tellers: dict[UUID, Teller] = {}

    def news(self) -> list[str]:
        """Everything that is new, as lines of the stream, of one moment. DatabaseDownError."""
        found = []
        with self._request.copy(), studio().database.snapshot() as session:
            now = session.execute(select(func.now())).scalar_one()
            rows = session.scalars(self._query()).all()
            for row in rows:
                for name, data, seq in self._teller(session, row).of(session, row):
                    id_ = None if seq is None else round(1_000_000 * now.timestamp())
                    found.append(_event(name, {"job_id": str(row.id), **data}, id_))
        self._since, self._replay = max(self._since, now - MARGIN), now - MARGIN
        known = {row.id for row in rows}
        self._tellers = {id_: told for id_, told in self._tellers.items() if id_ in known}
        return found

    def _query(self) -> Select[Job]:
        goes_on = Job.state.not_in(map(str, ENDED))
        mine = select(Job).where(Job.owner_id == self._owner)
        order = (Job.state == str(State.RUNNING)).desc(), Job.id.desc()
        return mine.where(goes_on | (Job.ended_at > self._since)).order_by(*order).limit(JOBS_TOLD)

    def _teller(self, session: Session, row: Job) -> Teller:
        if row.id not in self._tellers:
            first = row.seq
            if self._replay is not None:
                since = select(func.min(Event.seq)).where(
                    Event.job_id == row.id, Event.at > self._replay - MARGIN
                )
                first = session.execute(since).scalar_one() or row.seq + 1
            self._tellers[row.id] = Teller(self._owner, row.id, first - 1)
        return self._tellers[row.id]


def _lines(teller: Teller | EveryTeller, entrance: Entrance) -> Iterator[str]:
    began = spoke = time.monotonic()
    yield f"retry: {round(1000 * LOOK_SECONDS)}\n\n"
    while time.monotonic() - began < STREAM_SECONDS and entrance.is_open():
        try:
            news = teller.news()
        except DatabaseDownError:
            news = []  # the reader has lost nothing: it comes with the next look
        if not news and time.monotonic() - spoke >= COMMENT_SECONDS:
            news = [": nothing new\n\n"]
        if news:
            spoke = time.monotonic()
            yield "".join(news)
        if teller.ended:
            return
        time.sleep(LOOK_SECONDS)


def _event(name: str, data: dict[str, Any], id_: int | None = None) -> str:
    head = f"id: {id_}\n" if id_ is not None else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _last_moment() -> datetime | None:
    """When the reader of all jobs was told a change last; None where it says none of ours."""
    text = request.headers.get("Last-Event-ID", "")
    if not text.isdecimal() or len(text) != 16:
        return None
    return datetime.fromtimestamp(int(text) / 1_000_000, UTC)


def _last_event_id() -> int:
    """The last change that the reader was told; 0 where it says none of ours."""
    text = request.headers.get("Last-Event-ID", "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0
