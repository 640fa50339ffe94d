"""A sandbox's connections to the warehouse: counted apart from others, as they are on no list."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address

from airspace.sandbox.relay.account import Account
from airspace.sandbox.relay.connection import Connection
from airspace.sandbox.relay.door import OF_ONE_TEAM, Door, Gate, say
from airspace.sandbox.relay.loop import Loop
from airspace.sandbox.relay.resolver import Resolver
from airspace.sandbox.relay.rules import Address

Told = Callable[[str], None]


class Visits:
    """Of one sandbox."""

    def __init__(self, loop: Loop, resolver: Resolver, gate: Gate | None, account: Account, refuse: Told) -> None:
        self._loop, self._resolver, self._gate, self._account, self._refuse = loop, resolver, gate, account, refuse
        self._open: set[Door | Connection] = set()
        self._turned_away = 0

    def let_in(self, inner: socket.socket) -> bool:
        """Whether the socket is taken; what is not is the caller's to reset."""
        if self._gate is None:
            self._refuse("this platform has no warehouse; airspace doctor says why")
            return False
        if self._account.in_warehouse >= OF_ONE_TEAM or self._gate.full or not self._account.logins.any():
            self._refuse("the warehouse refused a connection: too many at once")
            return self._turn_away(self._gate, inner)
        self._account.logins.take()
        self._enter(self._gate, inner)
        return True

    def close(self) -> None:
        """The sandbox is gone."""
        for each in list(self._open):
            if isinstance(each, Door):
                each.close()
            else:
                each.reset()

    def _enter(self, gate: Gate, inner: socket.socket) -> None:
        self._count(gate, 1)

        def on(said: bytes) -> None:
            self._open.discard(door)
            self._connect(gate, inner, said)

        def off(why: str | None) -> None:
            self._open.discard(door)
            self._count(gate, -1)
            if why is not None:
                self._refuse(f"the warehouse refused a connection: {why}")

        door = Door(self._loop, self._account.team, inner, gate.offer, on, off)
        self._open.add(door)

    def _turn_away(self, gate: Gate, inner: socket.socket) -> bool:
        """Politely, as far as that goes: a client shows a reason only once it has said who it is."""
        if self._turned_away >= OF_ONE_TEAM:
            return False
        self._turned_away += 1
        words = (
            "too many connections" if gate.full else "your team has too many connections, or begins too many a second"
        )

        def on(_said: bytes) -> None:
            say(inner, words)
            inner.close()
            off(None)

        def off(_why: str | None) -> None:
            self._open.discard(door)
            self._turned_away -= 1

        door = Door(self._loop, self._account.team, inner, gate.offer, on, off)
        self._open.add(door)
        return True

    def _count(self, gate: Gate, by: int) -> None:
        gate.connected += by
        self._account.in_warehouse += by

    def _connect(self, gate: Gate, inner: socket.socket, said: bytes) -> None:
        def ended() -> None:
            self._open.discard(made)
            self._count(gate, -1)

        def failed(reason: str) -> None:
            self._refuse(f"the warehouse could not be reached: {reason}")

        made = Connection(self._loop, self._account.team, inner, False, failed, ended)
        self._open.add(made)
        offer = gate.offer
        if offer.own_server:
            made.connect([f"{offer.host}/.s.PGSQL.{offer.port}"], offer.port, said)
            return
        done = partial(self._found, made, said, gate)
        if (address := _as_address(offer.host)) is not None:
            done((address,))
        elif not self._resolver.resolve(self._account.team, offer.host, done):
            made.reset()

    def _found(self, made: Connection, said: bytes, gate: Gate, found: tuple[Address, ...]) -> None:
        """Where the platform's own settings lead, nobody else has a say."""
        if made in self._open:
            made.connect(found, gate.offer.port, said, gate.seal)


def _as_address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
