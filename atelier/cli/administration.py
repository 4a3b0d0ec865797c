"""``atelier admin``: the whole studio, its queues, and everybody's jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import click

from atelier.cli import outcomes, shown
from atelier.cli.connection import WATCH_PATIENCE_SECONDS, connect
from atelier.cli.outcomes import Outcome
from atelier.cli.shown import json_option

F = TypeVar("F", bound=Callable[..., Any])
WHY = "Why; it stands in the audit log."
job_argument = click.argument("job_id", metavar="ID")
queue_argument = click.argument("queue", metavar="cpu|gpu", type=click.Choice(["cpu", "gpu"]))
reason_option = click.option("--reason", default="", help=WHY)
needed_reason_option = click.option("--reason", required=True, help=WHY)
FILTERS = {
    "kind": "Only jobs of this kind.",
    "owner": "Only jobs of this person.",
    "failed-as": "Only jobs with this reason, e.g. poisoned.",
    "tag": "Only jobs with this tag.",
    "since": "Only jobs that ended since: 90m, 6h, 7d, or a time.",
    "until": "Only jobs that ended before: 90m, 6h, 7d ago, or a time.",
}


def filter_options(command: F) -> F:
    """The options that choose among everybody's jobs."""
    for name, help_ in reversed(FILTERS.items()):
        command = click.option(f"--{name}", default="", help=help_)(command)
    return command


def _filters(given: dict[str, str]) -> dict[str, str]:
    return {("reason" if name == "failed_as" else name): value for name, value in given.items()}


@click.command(epilog=outcomes.EXIT_CODES)
@json_option
def overview(as_json: bool) -> int:
    """Say whether anything is wrong, and how slots, queues and services stand."""
    seen = connect().overview()
    _tell(seen, as_json, _overview(seen))
    return Outcome.FAILED if any(alarm["grave"] for alarm in seen["alarms"]) else Outcome.DONE


@click.command("pause-queue")
@queue_argument
@reason_option
@json_option
def pause_queue(queue: str, reason: str, as_json: bool) -> None:
    """Let no waiting job of a queue begin; what runs runs on."""
    found = connect().pause_queue(queue, reason)
    _tell(found, as_json, _queues(found["results"]))


@click.command("resume-queue")
@queue_argument
@reason_option
@json_option
def resume_queue(queue: str, reason: str, as_json: bool) -> None:
    """Let waiting jobs of a queue begin again."""
    found = connect().resume_queue(queue, reason)
    _tell(found, as_json, _queues(found["results"]))


@click.command()
@queue_argument
@json_option
def wake(queue: str, as_json: bool) -> None:
    """Tell the idle slots of a queue to look for work now."""
    found = connect().wake(queue)
    _tell(found, as_json, _queues(found["results"]))


@click.group()
def maintenance() -> None:
    """Take no new jobs and begin none, for a while."""


@maintenance.command("begin")
@click.argument("message")
@click.option("--retry-after", type=click.IntRange(1, 86_400), help="Seconds to ask again after.")
@reason_option
@json_option
def begin_maintenance(message: str, retry_after: int | None, reason: str, as_json: bool) -> None:
    """Begin it; people are shown MESSAGE. Running jobs finish, waiting ones wait."""
    found = connect().begin_maintenance(message, retry_after, reason)
    _tell(found, as_json, [f"Under maintenance: {found['maintenance']['message']}"])


@maintenance.command("end")
@reason_option
@json_option
def end_maintenance(reason: str, as_json: bool) -> None:
    """Take jobs again, and let those that wait begin."""
    _tell(connect().end_maintenance(reason), as_json, ["The studio takes jobs."])


@click.command()
@click.option("--status", default="", help="Only these: queued, running, failed, ... (commas).")
@click.option("--slot", default="", help="Only jobs that run in this slot.")
@click.option("--search", "q", default="", help="Only jobs in which these words are found.")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True)
@filter_options
@json_option
def jobs(limit: int, as_json: bool, **given: str) -> None:
    """List everybody's jobs, newest first."""
    found = connect().all_jobs(limit, **_filters(given))
    _tell(found, as_json, _jobs(found["results"]))


@click.command()
@job_argument
@click.option("--check", is_flag=True, help="Read its checkpoints, and say which hash right.")
@json_option
def job(job_id: str, check: bool, as_json: bool) -> None:
    """Show anybody's job in full: attempts, events, checkpoints, and why it broke."""
    studio = connect()
    found = studio.whole_job(job_id)
    if check:
        for each in found["checkpoints"]:
            each["whole"] = studio.check_checkpoint(job_id, each["id"])["whole"]
    _tell(found, as_json, _job(found))


@click.command()
@job_argument
@click.option("--follow", is_flag=True, help="Go on with what is said next, to the job's end.")
@click.option("--tail", type=click.IntRange(1, 10_000), help="Only this many lines of its end.")
def log(job_id: str, follow: bool, tail: int | None) -> None:
    """Print what the runs of anybody's job say."""
    if not follow:
        click.echo(connect().log_of_job(job_id, tail), nl=False)
        return
    if tail is not None:
        raise click.UsageError("--follow prints the whole log; leave out --tail.")
    for said in connect(WATCH_PATIENCE_SECONDS).follow_log_of_job(job_id):
        click.echo(said, nl=False)


@click.command()
@job_argument
@needed_reason_option
@json_option
def cancel(job_id: str, reason: str, as_json: bool) -> None:
    """Stop anybody's job for good."""
    _tell_job(connect().cancel_job(job_id, reason), as_json)


@click.command()
@job_argument
@click.argument("priority", type=click.IntRange(-10, 10))
@reason_option
@json_option
def priority(job_id: str, priority: int, reason: str, as_json: bool) -> None:
    """Give a job another priority among its owner's jobs, -10 to 10 (-- before a minus)."""
    _tell_job(connect().set_priority(job_id, priority, reason), as_json)


@click.command()
@job_argument
@reason_option
@json_option
def front(job_id: str, reason: str, as_json: bool) -> None:
    """Put a waiting job before all others of its queue."""
    _tell_job(connect().move_to_front(job_id, reason), as_json)


@click.command()
@click.argument("job_ids", metavar="[ID]...", nargs=-1)
@click.option("--from-start", is_flag=True, help="Forget its checkpoints and begin anew.")
@click.option("--dry-run", is_flag=True, help="Only say which jobs a filter means.")
@reason_option
@filter_options
@json_option
def requeue(
    job_ids: tuple[str, ...],
    from_start: bool,
    dry_run: bool,
    reason: str,
    as_json: bool,
    **given: str,
) -> None:
    """Queue failed jobs again: those named, or all that a filter means."""
    if job_ids:
        _requeue_named(job_ids, reason, from_start, dry_run, as_json)
        return
    studio, filters = connect(), _filters(given)
    if not any(filters.values()):
        raise click.UsageError("Name jobs, or say which with a filter, e.g. --since 1h.")
    effect = studio.preview_requeue(**filters)
    if dry_run:
        _tell(effect, as_json, [f"{effect['count']} failed jobs.", *_jobs(effect["examples"])])
        return
    if not reason:
        raise click.UsageError("Many jobs need a --reason.")
    done = studio.requeue_many(reason, from_start, **filters)
    words = f"{done['requeued']} jobs wait again; {done['left']} failed ones are left."
    _tell(done, as_json, [words])


@click.group()
def audit() -> None:
    """What administrators changed, and whether that record is whole."""


@audit.command("list")
@click.option("--actor", default="", help="Only what this person or process did.")
@click.option("--action", default="", help="Only this action, e.g. slot.drained, or slot.")
@click.option("--target", default="", help="Only changes of this.")
@click.option("--since", default="", help="Only changes since: 90m, 6h, 7d, or a time.")
@click.option("--until", default="", help="Only changes before: 90m, 6h, 7d ago, or a time.")
@click.option("--before", default="", help="Only rows older than the one with this number.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@json_option
def audit_list(limit: int, as_json: bool, **given: str) -> None:
    """List changes, newest first."""
    rows = connect().audit(limit, **given)
    _tell({"results": rows}, as_json, _audit(rows))


@audit.command("verify", epilog=outcomes.EXIT_CODES)
@click.option("--head", default="", help="A hash written down earlier; it must still be there.")
@json_option
def audit_verify(head: str, as_json: bool) -> int:
    """Check that nothing sealed was changed, removed or put in."""
    found = connect().check_audit(head)
    lines = [f"WRONG {each['subject']}: {each['detail']}" for each in found["wrong"]]
    verdict = "well" if not lines else f"{len(lines)} wrong"
    lines.append(
        f"Looked at {found['rows']} rows in {found['seals']} seals, {found['unsealed']} not sealed"
        f" yet: {verdict}. Head: {found['head']}"
    )
    _tell(found, as_json, lines)
    return Outcome.FAILED if found["wrong"] else Outcome.DONE


def _requeue_named(
    job_ids: Iterable[str], reason: str, from_start: bool, dry_run: bool, as_json: bool
) -> None:
    studio = connect()
    if dry_run:
        found = [studio.whole_job(job_id) for job_id in job_ids]
    else:
        found = [studio.requeue(job_id, reason, from_start) for job_id in job_ids]
    _tell({"results": found}, as_json, _jobs(found))


def _tell_job(found: dict[str, Any], as_json: bool) -> None:
    _tell(found, as_json, _jobs([found]))


def _tell(found: Any, as_json: bool, lines: Iterable[str]) -> None:
    if as_json:
        shown.document(found)
    else:
        click.echo("\n".join(lines))


def _overview(seen: dict[str, Any]) -> Iterator[str]:
    for alarm in seen["alarms"]:
        yield f"{'WRONG' if alarm['grave'] else 'LOOK'}  {alarm['detail']}"
        if alarm["hint"]:
            yield f"       {alarm['hint']}"
    if not seen["alarms"]:
        yield "Nothing needs a hand."
    yield f"{'SLOT':24} {'STATE':<11} {'STEPS/S':>8}  JOB"
    for slot in seen["slots"]:
        job, rate = slot["job"], slot["vitals"].get("steps_per_second")
        runs = f"{job['id']} of {job['owner']}, {job['percent']:.0f} %" if job else "-"
        yield f"{slot['id']:24} {_slot_state(slot):<11} {rate if rate else '':>8}  {runs}"
    yield from _queues(seen["queues"])
    for name, service in seen["services"].items():
        away = service.get("answers") is False
        yield f"{name:24} {'away' if away else service.get('last_turn_at') or 'answers'}"
    if disk := seen["disk"]:
        full = disk["full_at"] or ("not within a year" if disk["trend_known"] else "not known yet")
        free = f"{disk['free_bytes'] / 1e9:.1f} of {disk['total_bytes'] / 1e9:.1f} GB"
        yield f"{'disk':24} {free} free; full: {full}"


def _slot_state(slot: dict[str, Any]) -> str:
    if slot["silent"]:
        return "silent"
    if slot["drained_because"]:
        return "quarantined"
    return "drained" if slot["drained_at"] else "open"


def _queues(queues: Iterable[dict[str, Any]]) -> Iterator[str]:
    yield f"{'QUEUE':24} {'WAITING':>7} {'RUNNING':>7} {'OLDEST':>8}"
    for queue in queues:
        oldest = queue["oldest_seconds"]
        waits = "-" if oldest is None else shown.duration(oldest)
        paused = f"  paused: {queue['paused']['message']}" if queue["paused"] else ""
        yield f"{queue['id']:24} {queue['waiting']:>7} {queue['running']:>7} {waits:>8}{paused}"


def _jobs(found: Iterable[dict[str, Any]]) -> Iterator[str]:
    yield f"{'ID':36} {'OWNER':<12} {'STATUS':<10} {'PRIO':>4}  REASON"
    for job in found:
        yield (
            f"{job['id']:36} {job['owner'][:12]:<12} {job['status']:<10} {job['priority']:>4}"
            f"  {job['reason'] or '-'}"
        )


def _job(found: dict[str, Any]) -> Iterator[str]:
    yield from _jobs([found])
    for each in found["attempts"]:
        end = f"{each['outcome']} ({each['reason'] or '-'})" if each["outcome"] else "runs"
        yield f"attempt {each['number']} in {each['slot']} since {each['began_at']}: {end}"
    for each in found["checkpoints"]:
        state = {True: ", whole", False: ", DAMAGED", None: ""}[each.get("whole")]
        yield f"checkpoint at step {each['step']}, {each['size']} bytes{state}"
    for each in found["events"]:
        yield f"event {each['seq']} {each['at']} {each['type']} {json.dumps(each['data'])}"
    for each in found["causes"]:
        yield f"why attempt with fence {each['fence']} broke:"
        yield str(each["words"])


def _audit(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield f"{row['id']:>6} {row['at'][:19]} {row['actor']:<12} {row['action']} {row['target']}"
        if row["reason"]:
            yield f"       {row['reason']}"
