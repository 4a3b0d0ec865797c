"""Who refers to stored bytes. Every column with a foreign key to a blob counts, whatever its table:
who adds such a column has nothing else to tell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, select, union
from sqlalchemy.orm import Session

from jobs.models import Base, Blob

_STORED = Blob.__table__.c.sha256


@cache
def columns() -> tuple[Column[Any], ...]:
    """The columns that refer to a blob."""
    return tuple(
        column
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if any(key.column is _STORED for key in column.foreign_keys)
    )


def unneeded() -> ColumnElement[bool]:
    """That nothing refers to a blob."""
    return and_(*(~select(column).where(column == Blob.sha256).exists() for column in columns()))


def needed_among(session: Session, names: Collection[str]) -> set[str]:
    """Those of these blobs that something refers to."""
    found = (session.scalars(select(column).where(column.in_(names))) for column in columns())
    return {name for each in found for name in each if name is not None}


def everything(session: Session) -> Iterator[tuple[str, int]]:
    """Hash and size in bytes of every blob that something refers to, in order."""
    referred = union(*(select(column.label("sha256")) for column in columns())).subquery()
    query = (
        select(Blob.sha256, Blob.size)
        .join(referred, referred.c.sha256 == Blob.sha256)
        .order_by(Blob.sha256)
    )
    for row in session.execute(query):
        yield row.sha256, row.size
