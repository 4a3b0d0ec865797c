"""Wakes: nobody waits for Redis, and nothing depends on a message."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from jobs.queue import Waker, make_app
from jobs.settings import Settings


@pytest.fixture
def hung_broker() -> Iterator[tuple[int, threading.Event]]:
    """A broker that takes connections and never answers; the event says that one came."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connected = threading.Event()

        def take() -> None:
            taken: list[socket.socket] = []
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    for one in taken:
                        one.close()
                    return
                connected.set()

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield server.getsockname()[1], connected
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_request_never_waits_for_a_hung_broker(
    hung_broker: tuple[int, threading.Event],
) -> None:
    """While the publishing thread is stuck in the broker, waking goes on returning."""
    port, connected = hung_broker
    app = make_app(Settings.read({"REDIS_URL": f"redis://127.0.0.1:{port}/0"}))
    waker = Waker(app)
    waker.wake("cpu")
    assert connected.wait(20)
    finished = threading.Event()

    def ask_often() -> None:
        for _ in range(1000):
            waker.wake("cpu")
        finished.set()

    threading.Thread(target=ask_often, daemon=True).start()
    assert finished.wait(5)


def test_a_wake_reaches_the_queue_of_its_resource(settings: Settings) -> None:
    """Nobody consumes ``gpu`` here, so the message stays to be seen."""
    app = make_app(settings)
    Waker(app).wake("gpu")
    with app.connection_for_read() as connection:
        consumer = connection.SimpleQueue("gpu")
        message = consumer.get(timeout=20)
        assert message.headers["task"] == "worker.wake"
        assert message.payload[:2] == [[], {}]
        message.ack()
        consumer.close()
