"""A job as people write it for bare Celery, with every setting that its documentation advises.

Late acknowledgement, a lost pool process rejected back to the queue, a short visibility timeout.
A step costs what a step of the studio's small jobs costs; each is noted in the same trace.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery

from worker.trace import Trace

STEP_SECONDS = 0.02
BROKER, FOLDER, VISIBILITY = "BARE_BROKER", "BARE_FOLDER", "BARE_VISIBILITY"


def make_app(broker: str, visibility_seconds: float) -> Celery:
    """The app, for workers and for whoever submits."""
    app = Celery("bare", broker=broker, set_as_current=False)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=2,
        broker_transport_options={
            "visibility_timeout": visibility_seconds,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
        },
    )
    return app


app = make_app(os.environ.get(BROKER, ""), float(os.environ.get(VISIBILITY, "60")))


@app.task(name="bare.run")
def run(job: str, steps: int) -> None:
    """Do the steps, then say that it is done, in a line of its own for every time it is."""
    folder = Path(os.environ[FOLDER])
    trace = Trace(str(folder / "traces"), job, time.time_ns(), "bare")
    for step in range(steps):
        trace.begin(step)
        time.sleep(STEP_SECONDS)
    done = os.open(folder / "done", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(done, f"{job}\n".encode())
    os.close(done)
