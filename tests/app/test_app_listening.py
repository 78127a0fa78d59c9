"""The studio's port."""

from __future__ import annotations

import socket

import pytest

from inkcast.app.server import listening
from inkcast.errors import StudioError


def test_answers_do_not_wait_for_acknowledgement() -> None:
    with listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_port_that_is_taken_is_named() -> None:
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(StudioError, match=f"cannot listen at 127.0.0.1 port {port}"):
            listening("127.0.0.1", port)
