"""Settings of the web server that do not belong on its command line."""

from __future__ import annotations

import os
from typing import Any

from atelier.guard import die_with_parent

# Streams of events never end by themselves; a stop must not wait for their readers.
graceful_timeout = 5
timeout = 60
keepalive = 20
# /tmp may lie on a slow disk, and a stalled heartbeat file kills a healthy server.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
control_socket_disable = True


def post_fork(server: Any, worker: Any) -> None:
    """The serving process ends with its master, whatever ends the master."""
    if not die_with_parent(server.pid):
        os._exit(0)
