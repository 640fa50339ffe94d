"""TCP ports of this machine: is one free, which one to take."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

from airspace.model.errors import AirspaceError

HOST = "127.0.0.1"
FIRST = 8080
_NEAR = 20  # ports looked at from FIRST on before any free one will do


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As servers do: a connection that lingers in TIME_WAIT does not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


@contextmanager
def reserved(wanted: int | None, remembered: int | None) -> Iterator[int]:
    """A free port, kept for us among homes that start at the same moment until the block ends.

    :param wanted: what the user asked for; taken or nothing
    :param remembered: what this home had before; taken or nothing, because people keep its URL
    """
    fixed = wanted or remembered
    if fixed is not None:
        if not is_free(fixed):
            again = "" if wanted else " (this home's port so far)"
            raise AirspaceError(
                f"port {fixed}{again} is taken by another program",
                fix=f"see which: ss -ltnp 'sport = :{fixed}'; or choose another: airspace up --port {fixed + 1}",
            )
        with closing(_claim(fixed) or socket.socket()):
            yield fixed
        return
    for port in (*range(FIRST, FIRST + _NEAR), *(_any() for _ in range(10))):
        claim = _claim(port)
        if claim is not None:
            with closing(claim):
                if is_free(port):
                    yield port
                    return
    raise AirspaceError("no free port was found", fix="choose one: airspace up --port PORT")


def _claim(port: int) -> socket.socket | None:
    """An abstract Unix socket named after the port: another home's start sees it, and it dies with its holder."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0airspace-port-{port}")
    except OSError:
        claim.close()
        return None
    return claim


def _any() -> int:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
