"""Who refers to stored bytes. Every column with a foreign key to a blob counts, whatever its table:
who adds such a column has nothing else to tell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, column, select, table, text, union
from sqlalchemy.orm import Session

from jobs.models import Base, Blob

_KEYS = """
    SELECT source.relname AS place, a.attname AS name
    FROM pg_constraint k
    JOIN pg_class source ON source.oid = k.conrelid
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
    WHERE k.contype = 'f' AND k.confrelid = to_regclass('blob')
    ORDER BY 1, 2
"""
_STORED = Blob.__table__.c.sha256


@cache
def columns() -> tuple[Column[Any], ...]:
    """The columns that refer to a blob."""
    return tuple(
        each
        for place in Base.metadata.sorted_tables
        for each in place.columns
        if any(key.column is _STORED for key in each.foreign_keys)
    )


def unneeded() -> ColumnElement[bool]:
    """That nothing refers to a blob."""
    return and_(*(~select(each).where(each == Blob.sha256).exists() for each in columns()))


def needed_among(session: Session, names: Collection[str]) -> set[str]:
    """Those of these blobs that something refers to."""
    found = (session.scalars(select(each).where(each.in_(names))) for each in columns())
    return {name for each in found for name in each if name is not None}


def everything(session: Session) -> Iterator[tuple[str, int]]:
    """Hash and size in bytes of every blob that something refers to, in order.

    Asks the database for its foreign keys: a backup before an upgrade meets older tables.
    """
    keys = session.execute(text(_KEYS)).all()
    referred = union(
        *(select(column(key.name).label("sha256")).select_from(table(key.place)) for key in keys)
    ).subquery()
    query = (
        select(Blob.sha256, Blob.size)
        .join(referred, referred.c.sha256 == Blob.sha256)
        .order_by(Blob.sha256)
    )
    for row in session.execute(query):
        yield row.sha256, row.size
