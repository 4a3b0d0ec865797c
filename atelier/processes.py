"""The command line of every process of ours, in one place.

``atelier up`` starts these; docker-compose.yml and the Dockerfile must name the same, and a
test holds them against this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jobs.settings import Settings

GUNICORN_CONFIG = "python:atelier.gunicorn_config"


def python_module(name: str, *arguments: str) -> list[str]:
    """``python -m name`` with this interpreter."""
    return [sys.executable, "-m", name, *arguments]


def migrate() -> list[str]:
    """Bring the database to the newest migration, then end."""
    return python_module("migrations")


def web(settings: Settings) -> list[str]:
    """The web server: one process, many threads, because waiting readers are many."""
    return python_module(
        "gunicorn",
        *("--config", GUNICORN_CONFIG),
        *("--bind", bind_address(settings)),
        *("--worker-class", "gthread", "--workers", "1"),
        *("--threads", str(settings.web_threads)),
        "webui:create_app()",
    )


def keeper() -> list[str]:
    """The chores: rescue, webhooks, retirement. Any number may run; one leads."""
    return python_module("jobs.keeper")


def worker(settings: Settings, slot: str, resource: str) -> list[str]:
    """The worker of one slot. It also needs ``ATELIER_SLOT`` in its environment."""
    return python_module(
        "celery",
        *("-A", "worker.tasks", "worker"),
        *("--pool=threads", "--concurrency=1", "--without-gossip", "--without-mingle"),
        *("-Q", resource, "-n", f"{slot}@{settings.machine}"),
        *("--loglevel", settings.log_level),
    )


def bind_address(settings: Settings) -> str:
    """``host:port`` as gunicorn writes it; an IPv6 address stands in brackets."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.port}"


def log_file(settings: Settings, name: str) -> Path:
    """Where the process called ``name`` logs."""
    return settings.logs / f"{name.replace(':', '-')}.log"
