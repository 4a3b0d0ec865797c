"""States, moves, wishes and reasons of a job: each once, with its meaning on its line."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from engines.kind import N_


class Word(StrEnum):
    """A value with its meaning; the meaning is translated where it is shown."""

    meaning: str
    lasting: bool
    """Of a reason why a job failed: tried again as it is, the job ends so again."""

    def __new__(cls, value: str, meaning: str = "", lasting: bool = False) -> Self:
        """Keep what is said of the value beside it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning, member.lasting = meaning, lasting
        return member


class State(Word):
    """Where a job stands."""

    QUEUED = "queued", N_("waiting for a machine")
    RUNNING = "running", N_("being made")
    PAUSED = "paused", N_("resting at a checkpoint until somebody resumes it")
    SUCCEEDED = "succeeded", N_("done, its results are stored")
    FAILED = "failed", N_("ended without a result")
    CANCELED = "canceled", N_("ended because its owner wanted so")


class Wanted(Word):
    """What its owner wants of a running job."""

    RUN = "run", N_("go on")
    PAUSE = "pause", N_("stop at a checkpoint and rest")
    CANCEL = "cancel", N_("stop for good")


class Reason(Word):
    """Why a job is where it is, when that needs saying."""

    BAD_INPUT = "bad_input", N_("An input cannot be used. Change it and run the job again."), True
    OUT_OF_MEMORY = "out_of_memory", N_("It did not fit into memory. Try a smaller size.")
    SMALLER_PIECES = "smaller_pieces", N_("Memory ran out; it goes on in smaller pieces.")
    WORKER_LOST = "worker_lost", N_("Its machine went away; it goes on from its checkpoint.")
    WORKER_STOPPED = "worker_stopped", N_("Its machine was stopped; it goes on elsewhere.")
    RESTORED = "restored", N_("The studio was restored from a backup; it goes on from there.")
    STALLED = "stalled", N_("It showed no sign of life for too long. Retry it.")
    POISONED = (
        "poisoned",
        N_("It broke at the same place every time. Change it and run it again."),
        True,
    )
    TIMED_OUT = "timed_out", N_("Its deadline passed. Retry it with more time.")
    DISK_FULL = "disk_full", N_("The disk is full. It goes on by itself once there is room.")
    ROOM_AGAIN = "room_again", N_("There is room on the disk again; it goes on.")
    STORAGE_AWAY = "storage_away", N_("The stored files could not be reached; it is tried again.")
    AWAITING_DATASET = (
        "awaiting_dataset",
        N_("Its pictures are still being checked; it starts by itself when that is done."),
    )
    DATASET_READY = "dataset_ready", N_("Its pictures are checked; it starts.")
    DEVICE_ERROR = "device_error", N_("Its graphics card failed; it goes on elsewhere.")
    CANCELED_BY_USER = "canceled_by_user", N_("You canceled it.")
    CANCELED_BY_ADMINISTRATOR = "canceled_by_administrator", N_("An administrator canceled it.")
    RETRIED_BY_ADMINISTRATOR = "retried_by_administrator", N_("An administrator queued it again.")
    PAUSED_BY_USER = "paused_by_user", N_("You paused it.")
    RETRIED_BY_USER = "retried_by_user", N_("You asked for another try.")
    RESUMED_BY_USER = "resumed_by_user", N_("You resumed it.")
    INTERNAL_ERROR = "internal_error", N_("Something broke on our side; the log holds the cause.")


class DatasetState(Word):
    """Where a set of pictures stands."""

    CHECKING = "checking", N_("being looked through; jobs that name it wait")
    READY = "ready", N_("checked, and never changed again")
    REFUSED = "refused", N_("not usable; it says why and what to do")


ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELED})

MOVES: dict[tuple[State, State], str] = {
    (State.QUEUED, State.RUNNING): "a slot claimed it",
    (State.QUEUED, State.PAUSED): "its owner paused it before it began, or its dataset is checked",
    (State.QUEUED, State.CANCELED): "its owner canceled it before it began",
    (State.QUEUED, State.FAILED): "it can no longer run: an input is gone or its deadline passed",
    (State.RUNNING, State.SUCCEEDED): "its results are stored",
    (State.RUNNING, State.FAILED): "it broke and would break again",
    (State.RUNNING, State.CANCELED): "its process is gone because its owner wanted so",
    (State.RUNNING, State.PAUSED): "its process is gone, its checkpoint is stored",
    (State.RUNNING, State.QUEUED): "its worker was lost or stopped; it resumes elsewhere",
    (State.PAUSED, State.QUEUED): "its owner resumed it, or what it waited for is there",
    (State.PAUSED, State.FAILED): "what it waited for cannot be used",
    (State.PAUSED, State.CANCELED): "its owner canceled it at rest",
    (State.FAILED, State.QUEUED): "its owner asked for another try",
    (State.CANCELED, State.QUEUED): "its owner asked for another try",
}
