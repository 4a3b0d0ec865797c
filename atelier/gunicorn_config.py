"""Settings of the web server that do not belong on its command line."""

from __future__ import annotations

import os
from typing import Any

from atelier.guard import die_with_parent
from jobs import process_log
from jobs.settings import Settings

# Streams of events never end by themselves; a stop must not wait for their readers.
graceful_timeout = 5
timeout = 60
keepalive = 20
# /tmp may lie on a slow disk, and a stalled heartbeat file kills a healthy server.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
control_socket_disable = True


def _logging() -> dict[str, Any]:
    """The server's own lines look like the application's."""
    settings = Settings.read()
    ours = {"level": settings.log_level, "handlers": ["error_console"]}
    return {
        "formatters": {
            "generic": {"()": process_log.formatter, "process": "web", "settings": settings}
        },
        "root": ours,
        "loggers": {"gunicorn.error": {**ours, "propagate": False}},
    }


logconfig_dict = _logging()


def post_fork(server: Any, worker: Any) -> None:
    """The serving process ends with its master, whatever ends the master."""
    if not die_with_parent(server.pid):
        os._exit(0)
