"""The judge: from records alone, every promise that was broken, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from tests.chaos.records import Answer, Begun, Stored, by_job

ENDS = ("succeeded", "failed", "canceled")
# Why a run may be interrupted without any attack: its owner asked, or the disk was full.
ASKED = ("paused_by_user", "disk_full", "canceled_by_user")


def broken_promises(
    steps: Iterable[Begun],
    told: Sequence[Answer],
    jobs: Mapping[str, Stored],
    expected: Mapping[str, str],
    longest_loss: float,
    excused: Mapping[str, int],
) -> list[str]:
    """Everything that should not have happened; empty when all held.

    ``expected`` is the result's SHA-256 of an undisturbed run by job, ``longest_loss`` the
    seconds of work that one death may cost, ``excused`` the reasons for which the attack on
    machines and services excuses that a healthy run ended, and how many may have ended so.
    """
    traces = by_job(steps)
    return [
        *_lost(told, jobs),
        *_ended_twice(jobs),
        *_canceled_in_vain(told, jobs),
        *_overlaps(traces),
        *_gaps_in_fences(traces, jobs),
        *_too_much_lost(traces, longest_loss),
        *_wrong_reasons(jobs, traces, excused),
        *_other_bits(jobs, expected),
    ]


def _lost(told: Sequence[Answer], jobs: Mapping[str, Stored]) -> Iterator[str]:
    for answer in told:
        if answer.what != "submit":
            continue
        if answer.job not in jobs:
            yield f"job {answer.job} was acknowledged and is gone"
        elif jobs[answer.job].status not in ENDS:
            yield f"job {answer.job} never ended: it is {jobs[answer.job].status}"


def _ended_twice(jobs: Mapping[str, Stored]) -> Iterator[str]:
    for job in jobs.values():
        ends = [to for _, to, _ in job.moves if to in ENDS]
        if len(ends) > 1:
            yield f"job {job.job} ended {len(ends)} times: {', '.join(ends)}"
        for (_, to, _), (source, _, _) in pairwise(job.moves):
            if source != to:
                yield f"job {job.job} moved from {source} while it was {to}"
        if job.moves and job.moves[-1][1] != job.status:
            yield f"job {job.job} is {job.status}, and its last move led to {job.moves[-1][1]}"


def _canceled_in_vain(told: Sequence[Answer], jobs: Mapping[str, Stored]) -> Iterator[str]:
    for answer in told:
        if answer.what != "cancel" or answer.status in ("succeeded", "failed"):
            continue
        job = jobs.get(answer.job)
        if job is not None and job.status != "canceled":
            yield f"job {answer.job}: a cancel was acknowledged, and it {job.status}"


def _overlaps(traces: Mapping[str, list[Begun]]) -> Iterator[str]:
    for job, steps in traces.items():
        newest = steps[0]
        for step in steps[1:]:
            if step.fence < newest.fence:
                yield (
                    f"job {job}: runner {step.pid} began step {step.step} under fence {step.fence}"
                    f" after runner {newest.pid} had begun under fence {newest.fence}"
                )
                break
            if step.fence == newest.fence and step.pid != newest.pid:
                yield f"job {job}: runners {newest.pid} and {step.pid} share fence {step.fence}"
                break
            newest = step


def _gaps_in_fences(traces: Mapping[str, list[Begun]], jobs: Mapping[str, Stored]) -> Iterator[str]:
    for job, steps in traces.items():
        if job not in jobs:
            continue
        claims = sum(1 for _, to, _ in jobs[job].moves if to == "running")
        fences = {step.fence for step in steps}
        if max(fences) > claims:
            yield f"job {job}: a step ran under fence {max(fences)}, but it has {claims} claims"


def _too_much_lost(traces: Mapping[str, list[Begun]], longest: float) -> Iterator[str]:
    for job, steps in traces.items():
        for lost in losses(steps):
            if lost > longest:
                yield f"job {job}: {lost:.1f} s of work were lost at once"


def losses(steps: Sequence[Begun]) -> Iterator[float]:
    """Seconds of work that is done twice, for every change of runner in one job's steps.

    A step's work lasts until the next begins in the same runner; waits between two runners are
    none (see :func:`standstills`). What the last step had done when its runner ended is not known.
    """
    spent: dict[int, float] = {}
    for before, step in pairwise(steps):
        if step.fence == before.fence:
            spent[before.step] = step.at - before.at
        else:
            yield sum(seconds for made, seconds in spent.items() if made >= step.step)
            spent = {made: seconds for made, seconds in spent.items() if made < step.step}


def standstills(steps: Sequence[Begun]) -> Iterator[float]:
    """Seconds between the last step of a runner and the first of its successor."""
    for before, step in pairwise(steps):
        if step.fence != before.fence:
            yield step.at - before.at


def _wrong_reasons(
    jobs: Mapping[str, Stored], traces: Mapping[str, list[Begun]], excused: Mapping[str, int]
) -> Iterator[str]:
    ended: Counter[str | None] = Counter()
    for job in jobs.values():
        if job.status == "failed":
            yield f"job {job.job} failed: {job.moves[-1][2]}"
        stepped = {step.fence for step in traces.get(job.job, [])}
        fence = 0
        for source, to, reason in job.moves:
            fence += to == "running"
            # A run that never began was lost with the answer to its claim: no work was ended.
            healthy = source == "running" and to not in ENDS and fence in stepped
            if healthy and reason not in ASKED:
                ended[reason] += 1
                if ended[reason] > (most := excused.get(reason or "", 0)):
                    yield f"job {job.job}: a healthy run ended for reason {reason}; excused: {most}"


def _other_bits(jobs: Mapping[str, Stored], expected: Mapping[str, str]) -> Iterator[str]:
    for job in jobs.values():
        if job.status != "succeeded":
            continue
        if job.result is None:
            yield f"job {job.job} succeeded without a result"
        elif not job.whole:
            yield f"job {job.job} succeeded, and its result is not in storage"
        elif job.result != expected.get(job.job, job.result):
            yield f"job {job.job}: its result differs from an undisturbed run's"
