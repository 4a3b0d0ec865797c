"""People and what proves them, what they may use and share."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from jobs.access.roles import Access, Role
from jobs.models.base import Base, one_of


class Owner(Base):
    """A person everything else belongs to; a local studio has one.

    ``password`` is an Argon2 hash. ``totp_secret`` (base32) counts once a code has confirmed it,
    until then it is ``totp_pending``; ``totp_step`` is the last time step whose code was used.
    Limits that are NULL are the studio's own. ``local`` marks the one owner of a studio without
    accounts, however they are called.
    """

    __tablename__ = "owner"
    __table_args__ = (
        one_of("role", Role),
        Index("uq_owner_local", "local", unique=True, postgresql_where=text("local")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    local: Mapped[bool] = mapped_column(server_default=text("false"))
    role: Mapped[str] = mapped_column(server_default=text("'artist'"))
    password: Mapped[str | None]
    language: Mapped[str | None]
    disabled_at: Mapped[datetime | None]
    totp_secret: Mapped[str | None]
    totp_pending: Mapped[str | None]
    totp_step: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    running_limit: Mapped[int | None]
    waiting_limit: Mapped[int | None]
    disk_limit: Mapped[int | None] = mapped_column(BigInteger)
    gpu_hours_limit: Mapped[float | None]
    recipe_inside: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Token(Base):
    """A secret that proves an owner, kept as its SHA-256.

    ``login`` and ``reset`` tokens work once; a ``half`` one says that the password was right and
    the second factor is still to come; ``metrics`` ones read /metrics and nothing else. ``access``
    bounds what an ``api`` token may do.
    """

    __tablename__ = "token"
    __table_args__ = (
        CheckConstraint(
            "scope IN ('api', 'session', 'login', 'metrics', 'reset', 'half')", name="scope"
        ),
        one_of("access", Access),
    )

    sha256: Mapped[bytes] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True, server_default=func.gen_random_uuid())
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), index=True)
    scope: Mapped[str]
    access: Mapped[str] = mapped_column(server_default=text("'admin'"))
    name: Mapped[str] = mapped_column(server_default=text("''"))
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    used_at: Mapped[datetime | None]


class Invitation(Base):
    """A link that lets somebody become a person of the studio, once."""

    __tablename__ = "invitation"
    __table_args__ = (one_of("role", Role),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sha256: Mapped[bytes] = mapped_column(unique=True)
    role: Mapped[str]
    note: Mapped[str] = mapped_column(server_default=text("''"))
    invited_by: Mapped[UUID | None] = mapped_column(ForeignKey("owner.id"))
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RecoveryCode(Base):
    """A code that stands in for the second factor once; deleted when it is used."""

    __tablename__ = "recovery_code"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), primary_key=True)
    sha256: Mapped[bytes] = mapped_column(primary_key=True)


class Attempt(Base):
    """How often something was tried in vain, by a hash of what is protected; ``free_at`` is when
    the next try is heard."""

    __tablename__ = "attempt"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    free_at: Mapped[datetime] = mapped_column(server_default=func.now())
    tried_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class GpuUse(Base):
    """Seconds an owner's runs had a GPU, by the UTC day on which their attempts ended."""

    __tablename__ = "gpu_use"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    seconds: Mapped[float]


class ShareLink(Base):
    """A link that shows one file to whoever has it. Its address is signed with ``key``; deleting
    the row revokes it."""

    __tablename__ = "share_link"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id"), index=True)
    file_id: Mapped[UUID] = mapped_column(ForeignKey("file.id", ondelete="CASCADE"), index=True)
    key: Mapped[bytes]
    recipe: Mapped[bool]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    views: Mapped[int] = mapped_column(server_default=text("0"))
