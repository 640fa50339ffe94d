"""Finding a port: the wish, the remembered one, and other homes that look at the same moment."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from airspace.model.errors import AirspaceError
from airspace.platform import ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((ports.HOST, 0))
        server.listen(1)
        yield server.getsockname()[1]


def test_a_taken_port_is_told_with_a_way_out(taken: int) -> None:
    for wanted, remembered in ((taken, None), (None, taken)):
        with pytest.raises(AirspaceError, match=f"port {taken}") as refused, ports.reserved(wanted, remembered):
            pass
        assert f"--port {taken + 1}" in (refused.value.fix or "")


def test_two_homes_that_look_at_once_find_different_ports() -> None:
    with ports.reserved(None, None) as first, ports.reserved(None, None) as second:
        assert first != second
        assert ports.is_free(first)
        assert ports.is_free(second)


def test_the_remembered_port_is_taken_again() -> None:
    with ports.reserved(None, None) as first:
        pass
    with ports.reserved(None, first) as again:
        assert again == first
