"""What one team has of the relay: its list, its connections, and how often it may ask for more."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable
from dataclasses import dataclass

from airspace.sandbox.relay.connection import Connection
from airspace.sandbox.relay.rules import Address, Allowance, Grant

CONNECTIONS = 256  # of one team at once, where this process may open enough descriptors
WIDE = 32  # of them may have as much of the kernel's memory as a long way needs
NAMES_A_SECOND, CONNECTIONS_A_SECOND = 300.0, 200.0
LOGINS_A_SECOND = 20.0  # to the warehouse: each takes a new process of the server's
BURST = 2.0  # seconds' worth at once
_RESERVED, _SHARE = 256, 16


class Bucket:
    """So many a second, and some at once."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = rate * BURST
        self._at = time.monotonic()

    def any(self) -> bool:
        """Whether one is left."""
        now = time.monotonic()
        self._left = min(self._rate * BURST, self._left + (now - self._at) * self._rate)
        self._at = now
        return self._left >= 1

    def take(self) -> None:
        """Take one."""
        self._left -= 1


@dataclass(frozen=True)
class Destination:
    """Where a connection wants to go: a host by name, or an address itself."""

    host: str | Address
    port: int


class Account:
    """One team.

    :param boxes: how many of its sandboxes there are
    """

    def __init__(self, team: str, most: int) -> None:
        self.team = team
        self.most = most
        self.boxes = 0
        self.list = Allowance()
        self.connections: dict[Connection, tuple[Allowance, Destination]] = {}
        self.names = Bucket(NAMES_A_SECOND)
        self.streams = Bucket(CONNECTIONS_A_SECOND)
        self.logins = Bucket(LOGINS_A_SECOND)
        self.in_warehouse = 0

    def grant(self, granted: Allowance, to: Destination) -> Grant:
        """What the list of the sandbox's beginning and today's both allow."""
        if isinstance(to.host, str):
            return min(granted.of_name(to.host, to.port), self.list.of_name(to.host, to.port))
        return min(granted.of_address(to.host, to.port), self.list.of_address(to.host, to.port))

    def change(self, entries: Iterable[str]) -> list[Destination]:
        """Another list from now on. What it does not allow any more is cut off, and returned."""
        self.list = Allowance.read(entries)
        cut = [
            (connection, to)
            for connection, (granted, to) in self.connections.items()
            if self.grant(granted, to) is Grant.NONE
        ]
        for connection, _ in cut:
            connection.reset()
        return [to for _, to in cut]


def most_connections() -> int:
    """Of one team, so that a dozen and more teams at their most do not take every descriptor of this process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, min(CONNECTIONS, (soft - _RESERVED) // (2 * _SHARE)))
