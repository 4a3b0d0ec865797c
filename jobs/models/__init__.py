"""The tables. Everything has an owner; times are UTC; the database clock is the clock."""

from __future__ import annotations

from jobs.models.base import Base, table
from jobs.models.jobs import (
    Cause,
    Checkpoint,
    Event,
    Frame,
    IdempotencyKey,
    Job,
    LogChunk,
    MetricChunk,
    OwnerShare,
)
from jobs.models.notices import Delivery, NoticeWish, Webhook
from jobs.models.people import Attempt, GpuUse, Invitation, Owner, RecoveryCode, ShareLink, Token
from jobs.models.studio import (
    AuditRow,
    AuditSeal,
    Chore,
    Closure,
    DiskSample,
    RetentionRule,
    Slot,
    Tally,
)
from jobs.models.works import DATASET_BLOBS, Blob, Dataset, File

__all__ = [
    "DATASET_BLOBS",
    "Attempt",
    "AuditRow",
    "AuditSeal",
    "Base",
    "Blob",
    "Cause",
    "Checkpoint",
    "Chore",
    "Closure",
    "Dataset",
    "Delivery",
    "DiskSample",
    "Event",
    "File",
    "Frame",
    "GpuUse",
    "IdempotencyKey",
    "Invitation",
    "Job",
    "LogChunk",
    "MetricChunk",
    "NoticeWish",
    "Owner",
    "OwnerShare",
    "RecoveryCode",
    "RetentionRule",
    "ShareLink",
    "Slot",
    "Tally",
    "Token",
    "Webhook",
    "table",
]
