"""Settings: the only reader of the environment. Every variable, its meaning, its default."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class SettingsError(Exception):
    """One or more environment variables hold what cannot be used; each is named on its line."""


def _variable(name: str, default: Any, description: str, **limits: Any) -> Any:
    return Field(default, alias=name, description=description, **limits)


class Settings(BaseModel):
    """What an operator can set. Build it with :meth:`read`."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    data: Path = _variable(
        "ATELIER_DATA", Path("var"), "Folder of everything that is kept: database, files, logs."
    )
    database_url: str = _variable(
        "DATABASE_URL", "", "PostgreSQL to use instead of the embedded one (postgresql://...)."
    )
    redis_url: str = _variable(
        "REDIS_URL", "", "Redis to use instead of the embedded one (redis://... or a socket)."
    )
    storage_url: str = _variable(
        "STORAGE_URL", "", "Where files are kept: a folder or s3://bucket/prefix; else data/files."
    )
    host: str = _variable("ATELIER_HOST", "127.0.0.1", "Address the web server listens on.")
    port: int = _variable("PORT", 8000, "Port the web server listens on.", ge=1, le=65535)
    public_url: str = _variable(
        "PUBLIC_URL", "", "Address people use, e.g. https://studio.example; needed off loopback."
    )
    slots: str = _variable(
        "ATELIER_SLOTS", "auto", "Slots of this machine: auto, cpu:1, gpu:0,1 or several with ';'."
    )
    slot: str = _variable(
        "ATELIER_SLOT", "cpu:0", "The one slot a worker process owns, e.g. cpu:0 or gpu:1."
    )
    hostname: str = _variable(
        "ATELIER_HOSTNAME", "", "Name of this machine among the workers; else its host name."
    )
    threads: int = _variable(
        "ATELIER_THREADS", 0, "CPU threads of a run; 0 takes every core.", ge=0, le=1024
    )
    lease: float = _variable(
        "ATELIER_LEASE", 30.0, "Seconds a worker may hold a job without a beat.", ge=2, le=3600
    )
    running_per_owner: int = _variable(
        "ATELIER_RUNNING_PER_OWNER", 4, "Jobs one owner may have running at a time.", ge=1
    )
    waiting_per_owner: int = _variable(
        "ATELIER_WAITING_PER_OWNER", 10_000, "Jobs one owner may have waiting.", ge=1
    )
    disk_per_owner: int = _variable(
        "ATELIER_DISK_PER_OWNER", 0, "Bytes one owner may keep; 0 is no limit.", ge=0
    )
    gpu_hours_per_owner: float = _variable(
        "ATELIER_GPU_HOURS_PER_OWNER",
        0.0,
        "Hours of GPU time one owner may use in seven days; 0 is no limit.",
        ge=0,
    )
    accounts: Literal["auto", "on", "off"] = _variable(
        "ATELIER_ACCOUNTS", "auto", "Whether people sign in: auto means beyond loopback."
    )
    proxies: int = _variable(
        "ATELIER_PROXIES",
        0,
        "Proxies of yours in front of the web server, whose X-Forwarded-For is believed.",
        ge=0,
        le=8,
    )
    free_bytes: int = _variable(
        "ATELIER_FREE_BYTES",
        500_000_000,
        "Bytes of free disk below which no job starts, and none that a full disk paused goes on.",
        ge=0,
    )
    upload_bytes: int = _variable(
        "ATELIER_UPLOAD_BYTES", 50_000_000, "Largest upload, in bytes.", ge=1000
    )
    dataset_bytes: int = _variable(
        "ATELIER_DATASET_BYTES",
        2_000_000_000,
        "Largest upload of a set of pictures, in bytes; unpacked it may be twice that.",
        ge=1000,
    )
    cache_bytes: int = _variable(
        "ATELIER_CACHE_BYTES",
        20_000_000_000,
        "Bytes of prepared pictures that a machine keeps; beyond that the longest unused go.",
        ge=0,
    )
    copies_bytes: int = _variable(
        "ATELIER_COPIES_BYTES",
        1_000_000_000,
        "Bytes of copies of works as they leave (labelled, or in another format) that the web"
        " server keeps; beyond that the longest unused go.",
        ge=0,
    )
    model_bytes: int = _variable(
        "ATELIER_MODEL_BYTES", 1_000_000_000, "Largest upload of a model, in bytes.", ge=1000
    )
    pgdata: Path | None = _variable(
        "ATELIER_PGDATA", None, "Folder of the embedded database, else data/postgres."
    )
    web_threads: int = _variable(
        "ATELIER_WEB_THREADS", 16, "Requests the web server answers at a time.", ge=1, le=512
    )
    origin_label: Literal["off", "metadata", "visible"] = _variable(
        "ATELIER_ORIGIN_LABEL",
        "off",
        "How works that leave say that a model made them: off, in their metadata, or visible too.",
    )
    webhook_private: bool = _variable(
        "ATELIER_WEBHOOK_PRIVATE", False, "yes: webhooks may call private and loopback addresses."
    )
    smtp_url: str = _variable(
        "ATELIER_SMTP_URL",
        "",
        "Server for mails (smtp+tls://user:password@host:587, smtps://..., smtp://...); else none.",
    )
    mail_from: str = _variable(
        "ATELIER_MAIL_FROM", "", "Sender of mails, e.g. Atelier <studio@studio.example>."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _variable(
        "ATELIER_LOG_LEVEL", "INFO", "How much the processes log."
    )
    log_format: Literal["text", "json"] = _variable(
        "ATELIER_LOG_FORMAT", "text", "text: lines for people; json: one JSON object per line."
    )
    studio_url: str = _variable(
        "ATELIER_URL", "", "Studio the command line talks to; else the local one."
    )
    studio_token: str = _variable(
        "ATELIER_TOKEN", "", "Token the command line shows; else data/token."
    )
    traces: str = _variable(
        "ATELIER_TRACES", "", "Folder in which runs note each step they begin; empty: nowhere."
    )
    chromium: str = _variable(
        "ATELIER_CHROMIUM", "/usr/bin/chromium", "Browser of the browser tests."
    )

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read and check the environment; :class:`SettingsError` names every bad variable."""
        source = os.environ if environment is None else environment
        known = {str(field.alias) for field in cls.model_fields.values()}
        given = {name: value for name, value in source.items() if name in known and value != ""}
        try:
            return cls.model_validate(given)
        except ValidationError as refused:
            lines = [
                f"{'/'.join(map(str, error['loc'])) or 'settings'}="
                f"{error['input']!r}: {error['msg']}"
                if error["loc"]
                else error["msg"]
                for error in refused.errors()
            ]
            raise SettingsError("\n".join(lines)) from None

    @model_validator(mode="after")
    def _named_beyond_loopback(self) -> Self:
        if self.host not in LOOPBACK and not self.public_url:
            raise ValueError(
                f"ATELIER_HOST={self.host} is beyond loopback: set PUBLIC_URL to the address"
                " people use, so that Host and Origin can be checked"
            )
        if self.accounts == "off" and self.beyond_loopback:
            raise ValueError(
                "ATELIER_ACCOUNTS=off: a studio that others can reach needs accounts; leave it"
                " out, or keep ATELIER_HOST and PUBLIC_URL on this machine"
            )
        return self

    @model_validator(mode="after")
    def _mails_can_be_sent(self) -> Self:
        """What the URL holds is not shown: it may be a password."""
        if not self.smtp_url:
            return self
        parts = urlsplit(self.smtp_url)
        if parts.scheme not in ("smtp+tls", "smtps", "smtp") or not parts.hostname:
            raise ValueError(
                "ATELIER_SMTP_URL names no mail server: write it like smtp+tls://user:password@host"
                " (or smtps://, smtp://)"
            )
        if parts.scheme == "smtp" and parts.password and parts.hostname not in LOOPBACK:
            raise ValueError(
                "ATELIER_SMTP_URL=smtp://... would send its password for all to read: write"
                " smtp+tls:// or smtps://"
            )
        if "@" not in self.mail_from:
            raise ValueError(
                "ATELIER_SMTP_URL is set, so ATELIER_MAIL_FROM must name the sender of mails, e.g."
                " Atelier <studio@studio.example>"
            )
        return self

    @property
    def beyond_loopback(self) -> bool:
        """Whether other machines can reach the studio, as far as we are told."""
        named = urlsplit(self.public_url).hostname if self.public_url else None
        return self.host not in LOOPBACK or (named is not None and named not in LOOPBACK)

    @property
    def with_accounts(self) -> bool:
        """Whether people sign in with a name and a password."""
        return self.accounts == "on" or (self.accounts == "auto" and self.beyond_loopback)

    @cached_property
    def storage(self) -> str:
        """Root of the stored files, as a URL or path for fsspec."""
        return self.storage_url or str(self.data.absolute() / "files")

    @property
    def scratch(self) -> Path:
        """Folder in which attempts work; local to the machine."""
        return self.data.absolute() / "scratch"

    @property
    def uploads(self) -> Path:
        """Folder in which large uploads arrive, before they are stored; local to the machine."""
        return self.data.absolute() / "uploads"

    @property
    def weights(self) -> Path:
        """Folder of network weights added by ``atelier weights``."""
        return self.data.absolute() / "weights"

    @property
    def cache(self) -> Path:
        """Folder of what runs prepared from their inputs; local to the machine."""
        return self.data.absolute() / "cache"

    @property
    def logs(self) -> Path:
        """Folder of the processes' logs."""
        return self.data.absolute() / "logs"

    @property
    def token_file(self) -> Path:
        """Where a local studio leaves the command line's token (mode 600)."""
        return self.data.absolute() / "token"

    @cached_property
    def machine(self) -> str:
        """This machine's name among the workers."""
        return self.hostname or socket.gethostname()

    @cached_property
    def allowed_hosts(self) -> frozenset[str]:
        """Values of the ``Host`` header that are ours."""
        names = {f"{name}:{self.port}" for name in ("127.0.0.1", "[::1]", "localhost")}
        if self.public_url:
            names.add(urlsplit(self.public_url).netloc.lower())
        # Nobody writes the port that a scheme implies.
        implied = {name.removesuffix(":80").removesuffix(":443") for name in names}
        return frozenset(names | implied)

    @cached_property
    def cpu_threads(self) -> int:
        """Threads a run computes with: part of its recipe, as it changes the last bits."""
        return self.threads or len(os.sched_getaffinity(0))

    @property
    def address_file(self) -> Path:
        """Where a running local studio leaves its address."""
        return self.data.absolute() / "address"

    def changed(self, **changes: Any) -> Self:
        """A copy with ``changes``, checked; nothing computed from the old values is kept."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**fields, **changes})

    def variables(self) -> dict[str, str]:
        """These settings as environment variables, for a child that must read the same."""
        return {
            str(field.alias): "" if (value := getattr(self, name)) is None else str(value)
            for name, field in type(self).model_fields.items()
        }

    def environment(self, **changes: str) -> dict[str, str]:
        """The environment for a child process of ours: all that is set, with ``changes``."""
        return {**os.environ, **changes}


def bare_environment() -> dict[str, str]:
    """For a process that must hold no credentials: only what finding programs needs."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONWARNINGS")
    return {name: os.environ[name] for name in kept if name in os.environ}
