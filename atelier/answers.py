"""What the API answers about jobs, works, sets of pictures and models, as types; ``docs/api.md``
describes every field."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class File(TypedDict):
    """A stored file; its ``id`` is a valid input of jobs."""

    id: str
    name: str
    media_type: str
    sha256: str
    width: int | None
    height: int | None
    url: str


class Output(File):
    """A finished work of a job."""

    role: str


class Progress(TypedDict):
    """How far a job is."""

    phase: str | None
    step: int
    total: int | None
    percent: float
    metrics: dict[str, float]
    best_step: int | None
    notices: list[str]
    remarks: list[str]


class Expected(TypedDict):
    """How long a run should take; ``guessed`` from its machine, else as recent jobs took."""

    seconds: float
    guessed: bool


class Outlook(TypedDict):
    """What a job would meet that came now; ``presets`` by their names."""

    ahead: int
    wait_seconds: float | None
    machines: int
    run: Expected | None
    presets: dict[str, Expected]


class Job(TypedDict):
    """A job as the API shows it; ``docs/api.md`` describes every field."""

    id: str
    kind: str
    status: str
    reason: str | None
    params: dict[str, Any]
    progress: Progress
    queue: dict[str, Any] | None
    expected: Expected | None
    run_eta_seconds: float | None
    created_at: str
    ended_at: str | None
    snapshots: list[str]
    outputs: list[Output]
    error: dict[str, Any] | None
    urls: dict[str, str | None]
    webhook_secret: NotRequired[str]


class Interval(TypedDict):
    """Between which values a figure lies, with a probability of ``percent``: ``[low, high]`` for
    each of its points, None for one without; ``low`` and ``high`` name these as figures."""

    percent: int
    low: str
    high: str
    ends: list[list[float] | None]


class Series(TypedDict):
    """A figure by step: each point ``[step, value]``, a bucket ``[step, mean, low, high]``; and
    its ``interval``, if it has one."""

    name: str
    label: str
    meaning: str
    measured: int
    kept: int
    shown: int
    method: str
    thinned_to: int | None
    points: list[list[float]]
    interval: Interval | None


class Frame(TypedDict):
    """A picture of a job's timeline."""

    step: int
    score: float | None
    best: bool
    at: str
    name: str
    media_type: str
    sha256: str
    width: int
    height: int
    url: str
    thumbnail: str


class JobEvent(TypedDict):
    """Something that happened to a job: ``status`` (with an ``id``), ``progress``, ``preview``,
    ``metric`` or ``log``; ``docs/api.md`` describes the data of each."""

    id: str | None
    event: str
    data: dict[str, Any]


class Kind(TypedDict):
    """A kind of job; ``params`` is the JSON schema of its parameters."""

    name: str
    title: str
    summary: str
    resource: str
    params: dict[str, Any]


class Model(TypedDict):
    """A trained model; its ``id`` is a valid input of jobs. ``facts`` are None where its file
    cannot be read; ``made_from`` and ``used_by`` stand in the answer to one model alone."""

    id: str
    name: str
    sha256: str
    size: int
    created_at: str
    job_id: str | None
    facts: dict[str, Any] | None
    picture: str | None
    url: str
    page: str
    made_from: NotRequired[list[dict[str, Any]]]
    used_by: NotRequired[list[dict[str, Any]]]


class ModelPage(TypedDict):
    """One page of models; ``next`` is the URL of the following one."""

    results: list[Model]
    next: str | None
    previous: str | None


class Dataset(TypedDict):
    """A set of pictures; its ``id`` is a valid input of jobs, also while it is ``checking``."""

    id: str
    name: str
    licence: str
    status: str
    parent_id: str | None
    sha256: str | None
    progress: dict[str, int] | None
    refused: dict[str, str] | None
    report: dict[str, Any] | None
    created_at: str
    checked_at: str | None
    urls: dict[str, str | None]


class DatasetPage(TypedDict):
    """One page of datasets; ``limits`` tells how many bytes of an upload are taken."""

    results: list[Dataset]
    limits: dict[str, int]
    next: str | None
    previous: str | None


class JobPage(TypedDict):
    """One page of jobs; ``next`` is the URL of the following one."""

    results: list[Job]
    next: str | None
    previous: str | None
