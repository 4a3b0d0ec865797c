"""How jobs look in a terminal: one line, a table of 80 columns, a page, a progress bar."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from atelier.administration import Worker
    from atelier.answers import Expected, Frame, Job, Model, Series
    from atelier.people import Person, Token

BAR_WIDTH = 24
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")


def document(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table(jobs: Iterable[Job], now: datetime | None = None) -> Iterator[str]:
    """Jobs as lines of at most 80 columns; ids are whole, as other commands take them."""
    now = now or datetime.now(UTC)
    yield f"{'ID':36} {'KIND':<15} {'STATUS':<10} {'DONE':>5}  {'AGE':>7}"
    for job in jobs:
        percent = f"{job['progress']['percent']:.0f} %"
        age = duration((now - datetime.fromisoformat(job["created_at"])).total_seconds())
        yield (
            f"{job['id']:36} {_cut(job['kind'], 15):<15} {job['status']:<10} {percent:>5}  {age:>7}"
        )


def slots(workers: Iterable[Worker]) -> Iterator[str]:
    """Slots as lines: whether each is drained, and what runs in it."""
    yield f"{'SLOT':24} {'STATE':<8} {'BEAT':>7}  JOB"
    for worker in workers:
        state = "drained" if worker["drained"] else "open"
        beat = duration(worker["last_beat_seconds"])
        yield f"{worker['id']:24} {state:<8} {beat:>7}  {worker['job_id'] or '-'}"
        if worker["drained_because"]:
            yield f"  in quarantine: {_cut(worker['drained_because'].splitlines()[-1], 58)}"


def person(who: Person) -> Iterator[str]:
    """Who somebody is, and what they have of what they may."""
    yield f"name      {who['name']}{'  (closed)' if who['disabled'] else ''}"
    yield f"role      {who['role']}"
    yield f"running   {_of(who, 'running')}"
    yield f"waiting   {_of(who, 'waiting')}"
    yield f"disk      {_of(who, 'disk_bytes')} bytes"
    yield f"GPU       {_of(who, 'gpu_hours')} hours in seven days"
    if until := who["use"]["gpu_rest_until"]:
        yield f"GPU jobs are started again after {until}"


def people(found: Iterable[Person]) -> Iterator[str]:
    """Everybody, one per line."""
    yield f"{'NAME':24} {'ROLE':<13} {'RUNNING':>9} {'WAITING':>13} {'GPU HOURS':>13}"
    for who in found:
        columns = (_of(who, "running"), _of(who, "waiting"), _of(who, "gpu_hours"))
        state = " closed" if who["disabled"] else ""
        counts = f"{columns[0]:>9} {columns[1]:>13} {columns[2]:>13}"
        yield f"{_cut(who['name'], 24):24} {who['role']:<13} {counts}{state}"


def tokens(found: Iterable[Token]) -> Iterator[str]:
    """Tokens or sessions, one per line."""
    for token in found:
        used = f"used {token['used_at'][:10]}" if token["used_at"] else "never used"
        until = f"until {token['expires_at'][:10]}"
        yield f"{token['id']}  {token['access']:<5}  {until}  {used}  {token['name']}".rstrip()


def page(job: Job) -> Iterator[str]:
    """Everything a person may want to know about one job."""
    yield f"job       {job['id']}"
    yield f"kind      {job['kind']}"
    yield f"status    {job['status']}"
    if job["queue"]:
        yield f"place     {job['queue']['position']} in the queue"
    if job["expected"] and job["run_eta_seconds"] is None:
        yield f"run       {run_words(job['expected'])}"
    yield f"progress  {progress_words(job)}"
    if (best := job["progress"]["best_step"]) is not None:
        yield f"best      step {best}"
    for notice in job["progress"]["notices"]:
        yield f"notice    {notice}"
    for remark in job["progress"]["remarks"]:
        yield f"remark    {remark}"
    yield f"created   {job['created_at']}"
    if job["ended_at"]:
        yield f"ended     {job['ended_at']}"
    for name, value in job["params"].items():
        yield f"  {name} = {json.dumps(value, ensure_ascii=False)}"
    for work in job["outputs"]:
        yield f"{work['role']:<9} {work['name']} ({work['media_type']}, {work['id']})"
    yield from trouble(job)


def figures(found: Sequence[Series]) -> Iterator[str]:
    """Figures as lines: where each stands, and between which values it was."""
    yield f"{'FIGURE':24} {'STEPS':>8} {'LOWEST':>12} {'HIGHEST':>12} {'NOW':>12}"
    for series in found:
        # The lowest and highest are always among the points, however few there are.
        points = series["points"]
        ends = [
            (point[1], point[1]) if len(point) == 2 else (point[2], point[3]) for point in points
        ]
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        told = " ".join(f"{value:12.6g}" for value in (low, high, points[-1][1]))
        yield f"{_cut(series['name'], 24):24} {series['measured']:8} {told}"
        if (interval := series["interval"]) and (last := interval["ends"][-1]):
            between = " and ".join(f"{end:.6g}" for end in last)
            yield f"{'':33} now between {between} ({interval['percent']} %)"
    if meant := [series for series in found if series["meaning"]]:
        yield ""
    for series in meant:
        yield f"{series['name']}: {series['label']}. {series['meaning']}"


def pictures(found: Sequence[Frame]) -> Iterator[str]:
    """The pictures of a timeline as lines; the best is marked."""
    yield f"{'STEP':>10} {'SIZE':>11} {'SCORE':>12}  WHEN"
    for frame in found:
        size, score = f"{frame['width']} x {frame['height']}", frame["score"]
        told = "-" if score is None else f"{score:.6g}"
        marked = "  best" if frame["best"] else ""
        yield f"{frame['step']:10} {size:>11} {told:>12}  {frame['at']}{marked}"


def models(listed: Iterable[Model]) -> Iterator[str]:
    """Models as lines; a name is told whole, as it may be its end that tells it from another."""
    yield f"{'ID':36} {'SIZE':>6}  {'NETWORKS':<8} NAME"
    for found in listed:
        facts = found["facts"] or {}
        size = f"{facts['resolution']} px" if facts else "-"
        networks = facts.get("architecture", "-")
        yield f"{found['id']:36} {size:>6}  {networks:<8} {found['name']}"


def model(found: Model) -> list[str]:
    """Everything a person may want to know about one model."""
    lines = [f"model     {found['id']}", f"name      {found['name']}"]
    facts = found["facts"]
    if facts:
        trainable = "yes" if facts["trainable"] else "no, its file holds no discriminator"
        lines.append(f"networks  {facts['architecture']}, {facts['resolution']} px")
        lines.append(f"styles    {', '.join(facts['labels']) or '-'}")
        lines.append(f"trainable {trainable}")
        lines += [f"  {name} = {value}" for name, value in facts["origin"].items()]
    else:
        lines.append("networks  its file cannot be read")
    if found["job_id"]:
        lines.append(f"made by   job {found['job_id']}")
    for origin in found.get("made_from", ()):
        lines.append(
            f"from      {origin['to']} {origin['name'] or 'that is gone'} ({origin['id']})"
        )
    for use in found.get("used_by", ()):
        made = "".join(f", made model {id_}" for id_ in use["models"])
        lines.append(f"used by   {use['kind']} {use['job_id']} ({use['status']}{made})")
    return lines


def trouble(job: Job) -> Iterator[str]:
    """Why a job did not succeed, and what to do."""
    if error := job["error"]:
        yield f"{job['status']}: {error.get('detail') or job['reason']}"
        if hint := error.get("hint"):
            yield str(hint)
        if error.get("lasting"):
            again = f"atelier rerun {job['id']} --set NAME=VALUE"
            yield f"Tried again as it is, it ends so again. Change what is named: {again}"


def progress_words(job: Job) -> str:
    """``[######------]  50 %  Painting  1 min 20 s left``."""
    percent = job["progress"]["percent"]
    filled = round(BAR_WIDTH * percent / 100)
    parts = [f"[{'#' * filled}{'-' * (BAR_WIDTH - filled)}]", f"{percent:3.0f} %", _phase(job)]
    if (left := job["run_eta_seconds"]) is not None and job["status"] == "running":
        parts.append(f"{duration(left)} left")
    return "  ".join(parts)


def run_words(run: Expected) -> str:
    """``should take 4m 10s, as recent jobs took``."""
    source = "guessed from this machine's speed" if run["guessed"] else "as recent jobs took"
    return f"should take {duration(max(1, run['seconds']))}, {source}"


def duration(seconds: float) -> str:
    """A span of time in at most seven characters."""
    whole = max(0, round(seconds))
    for unit, size, smaller, part in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "m", 60),
        ("m", 60, "s", 1),
    ):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // part}{smaller}"
    return f"{whole}s"


class Bar:
    """A job's progress on stderr: one line that is redrawn, or few lines where nobody looks."""

    def __init__(self) -> None:
        self._stream = sys.stderr
        self._live = self._stream.isatty()
        self._said: tuple[str, int] | None = None

    def show(self, job: Job) -> None:
        """Draw the job as it is now."""
        words = progress_words(job)
        if self._live:
            self._stream.write(f"\r\x1b[K{words}")
            self._stream.flush()
            return
        tenth = (_phase(job), int(job["progress"]["percent"] // 10))
        if tenth != self._said:
            self._said = tenth
            click.echo(words, err=True)

    def end(self) -> None:
        """Leave the line."""
        if self._live:
            self._stream.write("\n")


def _phase(job: Job) -> str:
    if job["status"] == "queued" and job["queue"]:
        return f"waiting, place {job['queue']['position']}"
    if job["status"] == "running" and job["progress"]["phase"]:
        return str(job["progress"]["phase"])
    return job["status"]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _of(who: Person, what: str) -> str:
    limit = who["limits"][what]
    return f"{who['use'][what]}" + ("" if limit is None else f" of {limit}")
