"""Ports for the studios of tests, of which several may run side by side."""

from __future__ import annotations

import os

from atelier.local import free_port

# As many ports as free_port looks through are shared out among the processes of one pytest run.
PORTS_OF_ONE = 20


def port_near(wanted: int) -> int:
    """A free port of this machine, ``wanted`` or shortly above.

    Processes of one run (pytest-xdist names them gw0, gw1, ...) look in spans of their own, so that
    two that ask at the same moment never get the same.
    """
    mine = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return free_port("127.0.0.1", wanted + mine * PORTS_OF_ONE)
