"""The HTTP client: what any program can do with a studio. Knows HTTP and nothing else of ours.

client = Studio("http://127.0.0.1:8000", token)
photo = client.upload(Path("photo.jpg"))
job = client.submit("style_transfer", {"content": photo["id"], "styles": [...]})
for job in client.watch(job["id"]):
    print(job["progress"]["percent"])
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Literal
from uuid import uuid4

import requests

from atelier.administration import Administration
from atelier.answers import (
    Dataset,
    File,
    Frame,
    Job,
    JobEvent,
    JobPage,
    Kind,
    Model,
    Outlook,
    Output,
    Series,
)
from atelier.collecting import Collecting
from atelier.keeping import Keeping
from atelier.people import People
from atelier.problems import TransferError
from atelier.telling import Telling
from atelier.transport import said_digest, seconds
from atelier.transport import segment as _segment

ENDED = frozenset({"succeeded", "failed", "canceled"})
CHUNK = 1 << 18
# The API shows no more points of a figure at once.
MOST_POINTS = 20_000


class Studio(Administration, Collecting, Keeping, People, Telling):
    """One studio. ``patience`` is how many seconds a request is tried again while it is away."""

    def kinds(self) -> list[Kind]:
        """Every kind of job the studio makes."""
        return list(self._json("GET", "/kinds")["results"])

    def kind(self, name: str) -> Kind:
        """One kind with its parameters."""
        found: Kind = self._json("GET", f"/kinds/{_segment(name)}")
        return found

    def outlook(self, name: str, params: Mapping[str, Any] | None = None) -> Outlook:
        """What a job of a kind would meet that came now, and how long it should run; what must be
        named may be left out of ``params``."""
        body = {"params": dict(params or {})}
        found: Outlook = self._json("POST", f"/kinds/{_segment(name)}/outlook", body=body)
        return found

    def upload(self, path: Path) -> File:
        """Store a picture; the answer's ``id`` stands for it in parameters."""
        with path.open("rb") as stream:
            stored: File = self._json("POST", "/files", upload=(path.name, stream))
        return stored

    def submit(
        self,
        kind: str,
        params: Mapping[str, Any],
        *,
        priority: int = 0,
        tags: list[str] | None = None,
        deadline_at: datetime | None = None,
        webhook: str | None = None,
        key: str | None = None,
    ) -> Job:
        """Commission a job. ``key`` makes a repeated call, even by another process, the same.

        ``webhook`` is an address that is told of its end; where it is named for the first time, the
        answer holds the ``webhook_secret`` that its messages are signed with, this once.
        """
        order = {"kind": kind, "params": dict(params), "priority": priority, "tags": tags or []}
        if deadline_at is not None:
            order["deadline_at"] = deadline_at.isoformat()
        if webhook is not None:
            order["webhook"] = webhook
        return self._order("/jobs", order, key)

    def jobs(self, limit: int = 20, address: str | None = None, **filters: str) -> JobPage:
        """A page of jobs, newest first: the first, or the one at ``address`` (a ``next``)."""
        given = {name: value for name, value in filters.items() if value}
        query = None if address else {"limit": str(limit), **given}
        page: JobPage = self._json("GET", address or "/jobs", query=query)
        return page

    def job(self, job_id: str) -> Job:
        """One job."""
        return self._act(job_id, "", "GET")

    def cancel(self, job_id: str) -> Job:
        """Stop a job for good; ``canceling`` until its process is gone."""
        return self._act(job_id, "/cancel")

    def pause(self, job_id: str) -> Job:
        """Let a job rest at a checkpoint; ``pausing`` until its process is gone."""
        return self._act(job_id, "/pause")

    def resume(self, job_id: str) -> Job:
        """Let a paused job go on."""
        return self._act(job_id, "/resume")

    def retry(self, job_id: str, from_start: bool = False) -> Job:
        """Try a failed or canceled job again, from its newest checkpoint or the start."""
        return self._act(job_id, "/retry", query={"from": "start"} if from_start else None)

    def rerun(
        self,
        job_id: str,
        changes: Mapping[str, Any],
        key: str | None = None,
        webhook: str | None = None,
    ) -> Job:
        """Commission a new job like this one with some parameters changed; ``key`` and ``webhook``
        as of :meth:`submit`."""
        order: dict[str, Any] = {"params": dict(changes)}
        if webhook is not None:
            order["webhook"] = webhook
        return self._order(f"/jobs/{_segment(job_id)}/rerun", order, key)

    def snapshot(self, job_id: str, of: Literal["now", "best"] = "now") -> Job:
        """Ask a run for its model of now, or the best so far; it comes among the outputs."""
        return self._act(job_id, "/snapshot", query={"of": of})

    def artifacts(self, job_id: str) -> list[Output]:
        """The finished works of a job, the result first."""
        return list(self._json("GET", f"/jobs/{_segment(job_id)}/artifacts")["results"])

    def log(self, job_id: str, tail: int | None = None) -> str:
        """What a job's runs said; with ``tail`` only that many lines of its end."""
        query = {"tail": str(tail)} if tail is not None else None
        return self._send("GET", self._log(job_id), query=query).content.decode()

    def follow_log(self, job_id: str) -> Iterator[str]:
        """What a job's runs said, then what they say, in whole lines until the job has ended."""
        return self._followed(self._log(job_id))

    def metrics(
        self, job_id: str, *names: str, points: int = 1000, first: int = 0, last: int | None = None
    ) -> list[Series]:
        """The figures of a job's steps ``first`` to ``last``: all of them, or those named.

        Of a figure with more than ``points`` points the lowest and highest of equally large
        stretches, which its ``method`` then says. :meth:`every_point` leaves nothing out.
        """
        query = {"name": list(names), "points": str(points), "first": str(first)}
        if last is not None:
            query["last"] = str(last)
        answer = self._json("GET", f"/jobs/{_segment(job_id)}/metrics", query=query)
        return list(answer["results"])

    def every_point(self, job_id: str, *names: str) -> Iterator[Series]:
        """All figures with every point that is kept, in parts of up to 20,000 steps."""
        overview = self.metrics(job_id, *names, points=4)
        end = max((int(each["points"][-1][0]) for each in overview if each["points"]), default=-1)
        for first in range(0, end + 1, MOST_POINTS):
            last = first + MOST_POINTS - 1
            yield from self.metrics(job_id, *names, points=MOST_POINTS, first=first, last=last)

    def frames(self, job_id: str) -> list[Frame]:
        """Every picture of a job's timeline, in the order of the steps."""
        return list(self._json("GET", f"/jobs/{_segment(job_id)}/frames")["results"])

    def all_events(self) -> Iterator[JobEvent]:
        """What happens to any of one's jobs, for ever; ``data`` names the ``job_id``. A change may
        come twice after a break: its ``job_id`` and ``seq`` tell.
        """
        last = ""
        while True:
            headers = {"Last-Event-ID": last} if last else {}
            with self._send("GET", "/events", headers=headers, stream=True) as answer:
                for event in parsed(answer):
                    last = event["id"] or last
                    yield event
            time.sleep(1.0)

    def events(self, job_id: str) -> Iterator[JobEvent]:
        """What happens to a job, as it happens, to its end; a stream that breaks off is resumed.

        Every change of its state comes, each once; of progress, preview, metric and log the latest.
        """
        last = ""
        while True:
            headers = {"Last-Event-ID": last} if last else {}
            address = f"/jobs/{_segment(job_id)}/events"
            with self._send("GET", address, headers=headers, stream=True) as answer:
                if answer.status_code == 204:
                    return
                for event in parsed(answer):
                    last = event["id"] or last
                    yield event
            time.sleep(seconds(answer.headers.get("Retry-After"), 1.0))

    def watch(self, job_id: str) -> Iterator[Job]:
        """The job now and after each change, until it has ended or rests."""
        tag = ""
        while True:
            headers = {"If-None-Match": tag} if tag else None
            answer = self._send("GET", f"/jobs/{_segment(job_id)}", headers=headers)
            if answer.status_code != 304:
                tag = answer.headers.get("ETag", "")
                job: Job = answer.json()
                yield job
                if job["status"] in ENDED:
                    return
            time.sleep(seconds(answer.headers.get("Retry-After"), 1.0))

    def download(self, work: File | Frame | Model, path: Path) -> Path:
        """Fetch a file to ``path``, which appears only when it is whole and its hash is right."""
        with self._send("GET", work["url"], stream=True) as answer, _appearing(path) as draft:
            # A work may leave labelled or without its recipe: told by its own hash.
            due = said_digest(answer.headers.get("Repr-Digest", "")) or work["sha256"]
            _check(_copy(answer, draft), due, work["name"])
        return path

    def download_dataset(self, dataset: Dataset, path: Path) -> Path:
        """Fetch a ready dataset's pack, a ZIP that :meth:`add_dataset` takes, as a file."""
        if dataset["sha256"] is None:
            raise TransferError(f"{dataset['name']} is {dataset['status']}: it has no pack.")
        address = f"/datasets/{_segment(dataset['id'])}/content"
        with self._send("GET", address, stream=True) as answer, _appearing(path) as draft:
            _check(_copy(answer, draft), dataset["sha256"], dataset["name"])
        return path

    def download_all(self, job_id: str, path: Path) -> Path:
        """Fetch all works of a job as one ZIP to ``path``, which appears only when it is whole."""
        address = f"/jobs/{_segment(job_id)}/archive"
        with self._send("GET", address, stream=True) as answer, _appearing(path) as draft:
            _copy(answer, draft)
            draft.seek(0)
            # Cut short it has no list of what it holds, which stands at its end.
            if not zipfile.is_zipfile(draft):
                raise TransferError(f"The works of {job_id} arrived cut short. Try again.")
        return path

    @staticmethod
    def _log(job_id: str) -> str:
        return f"/jobs/{_segment(job_id)}/log"

    def _order(self, address: str, body: Mapping[str, Any], key: str | None) -> Job:
        headers = {"Idempotency-Key": key or str(uuid4())}
        job: Job = self._json("POST", address, body=body, headers=headers)
        return job

    def _act(
        self, job_id: str, action: str, method: str = "POST", query: Mapping[str, str] | None = None
    ) -> Job:
        job: Job = self._json(method, f"/jobs/{_segment(job_id)}{action}", query=query)
        return job


def parsed(answer: requests.Response) -> Iterator[JobEvent]:
    """The events of a stream until it ends or breaks off; comments are left out."""
    fields: dict[str, str] = {}
    try:
        for line in answer.iter_lines(chunk_size=None):
            name, _, value = line.decode().partition(": ")
            if line:
                fields[name] = value
                continue
            if "data" in fields:
                data = json.loads(fields["data"])
                yield {"id": fields.get("id"), "event": fields["event"], "data": data}
            fields = {}
    except requests.RequestException:
        return  # broken off: it is asked for again, from the last change on


@contextmanager
def _appearing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which becomes ``path`` when all went well and else is gone."""
    folder = path.absolute().parent
    folder.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=folder, prefix=".atelier-", delete=False) as draft:
        try:
            yield draft
            draft.flush()
            os.fsync(draft.fileno())
            Path(draft.name).replace(path)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise
    # Temporary files are private; a picture someone asked for is an ordinary file.
    path.chmod(0o644)


def _check(digest: str, due: str, name: str) -> None:
    if digest != due:
        raise TransferError(
            f"{name} arrived damaged (sha256 {digest}, expected {due}). Download it again."
        )


def _copy(answer: requests.Response, target: Any) -> str:
    digest = hashlib.sha256()
    try:
        for chunk in answer.iter_content(CHUNK):
            digest.update(chunk)
            target.write(chunk)
    except requests.RequestException as cut:
        raise TransferError(f"The download broke off: {cut}. Try again.") from cut
    return digest.hexdigest()
