"""One sandbox, as the relay has it: its name server, its listeners, and what its addresses stand for."""

from __future__ import annotations

import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, ip_address
from typing import Any

from airspace.model.warehouse import HOST
from airspace.sandbox.relay import destinations, questions
from airspace.sandbox.relay.account import WIDE, Account, Destination
from airspace.sandbox.relay.connection import Connection, reset
from airspace.sandbox.relay.door import Gate
from airspace.sandbox.relay.loop import READ, Loop
from airspace.sandbox.relay.plan import WAREHOUSE, found_addresses, listed_addresses
from airspace.sandbox.relay.questions import Code, Question
from airspace.sandbox.relay.refusals import Refusals, not_listed
from airspace.sandbox.relay.resolver import Resolver
from airspace.sandbox.relay.rules import Address, Allowance, Grant, is_host_name
from airspace.sandbox.relay.visits import Visits
from airspace.sandbox.relay.wires import NAMES

_AT_ONCE = 4  # questions or connections in one turn
_PAUSE = 0.05  # of a socket whose team asks too often
_MOST_ADDRESSES = 4  # of one host that are tried
_REVERSE = (".in-addr.arpa", ".ip6.arpa")  # what an address is called: asked for by habit, and of no use here
OnSocket = Callable[[socket.socket, int], None]
_KEPT_ADDRESS = 10 * questions.SECONDS  # before an address may stand for another name


@dataclass(frozen=True)
class Services:
    """What all boxes share."""

    loop: Loop
    resolver: Resolver
    refusals: Refusals
    gate: Gate | None = None


class Box:
    """The sockets of one sandbox."""

    def __init__(self, services: Services, account: Account, entries: Iterable[str]) -> None:
        self._services, self._account = services, account
        self._granted = Allowance.read(entries)
        self._given: dict[str, IPv4Address] = dict(listed_addresses(self._granted))
        self._names: dict[Address, str] = {address: name for name, address in self._given.items()}
        self._free = found_addresses() if self._granted.open or self._granted.endings else []
        self._found: OrderedDict[str, float] = OrderedDict()
        self._sockets: list[socket.socket] = []
        self._connections: set[Connection] = set()
        self._visits = Visits(services.loop, services.resolver, services.gate, account, self._refuse)
        account.boxes += 1

    def add(self, kind: str, descriptors: Sequence[int]) -> None:
        """Answer on these sockets from now on; they are ours to close."""
        for descriptor in descriptors:
            sock = socket.socket(fileno=descriptor)
            sock.setblocking(False)
            self._sockets.append(sock)
            self._listen(sock, self._asked if kind == NAMES else self._called)

    def close(self) -> None:
        """The sandbox is gone."""
        for sock in self._sockets:
            self._services.loop.forget(sock.fileno())
            sock.close()
        self._sockets.clear()
        for connection in list(self._connections):
            connection.reset()
        self._visits.close()
        self._account.boxes -= 1

    def _listen(self, sock: socket.socket, what: OnSocket) -> None:
        if sock.fileno() >= 0:
            self._services.loop.watch(sock.fileno(), READ, self._account.team, partial(what, sock))

    def _pause(self, sock: socket.socket, what: OnSocket) -> None:
        """What comes meanwhile waits in the kernel, which drops what is too much."""
        self._services.loop.forget(sock.fileno())
        self._services.loop.later(_PAUSE, lambda: self._listen(sock, what))

    def _refuse(self, what: str) -> None:
        self._services.refusals.tell(self._account.team, what)

    # --- names -------------------------------------------------------------------------------------------------------

    def _asked(self, sock: socket.socket, _events: int) -> None:
        for _ in range(_AT_ONCE):
            if not self._account.names.any():
                self._pause(sock, self._asked)
                return
            try:
                data, sender = sock.recvfrom(questions.LONGEST + 1)
            except OSError:
                return
            self._account.names.take()
            if (question := questions.read(data)) is not None:
                self._answer(question, partial(self._reply, sock, sender, question))

    def _reply(self, sock: socket.socket, sender: Any, question: Question, found: IPv4Address | Code) -> None:
        with suppress(OSError):
            sock.sendto(question.answer(found), sender)

    def _answer(self, question: Question, reply: partial[None]) -> None:
        name = question.name
        if not is_host_name(name) or name.endswith(_REVERSE):
            reply(Code.NO_SUCH_NAME)
        elif name == HOST and self._services.gate is not None:
            reply(WAREHOUSE if question.wants_address else Code.NOTHING)
        elif not (self._granted.knows(name) and self._account.list.knows(name)):
            self._refuse(not_listed(self._account.team, name, None))
            reply(Code.NO_SUCH_NAME)
        elif not question.wants_address:
            reply(Code.NOTHING)
        elif not self._services.resolver.resolve(self._account.team, name, partial(self._resolved, name, reply)):
            reply(Code.FAILED)

    def _resolved(self, name: str, reply: partial[None], found: tuple[Address, ...]) -> None:
        """A name is answered with its address in here if one of those outside may be connected to."""
        if not found:
            self._refuse(f"{name} has no address")
            reply(Code.NO_SUCH_NAME)
            return
        reasons = [self._objection(address, None, public=not self._is_listed(name)) for address in found]
        if all(reasons):
            self._refuse(f"{name} is not let in: its address {found[0]} {reasons[0]}")
            reply(Code.NO_SUCH_NAME)
            return
        address = self._address_of(name)
        if address is None:
            self._refuse("too many different names were asked for in the last minutes")
        reply(address or Code.FAILED)

    def _is_listed(self, name: str) -> bool:
        return name in self._granted.names or any(name.endswith(ending) for ending in self._granted.endings)

    def _address_of(self, name: str) -> IPv4Address | None:
        """What it is known by in the sandbox; of names that are not listed one by one, the oldest makes room."""
        if name in self._found:
            self._found[name] = time.monotonic()
            self._found.move_to_end(name)
        if name in self._given:
            return self._given[name]
        if not self._free:
            oldest = next(iter(self._found), None)
            if oldest is None or time.monotonic() - self._found[oldest] < _KEPT_ADDRESS:
                return None
            del self._found[oldest]
            address = self._given.pop(oldest)
            del self._names[address]
            self._free.append(address)
        address = self._given[name] = self._free.pop(0)
        self._names[address] = name
        self._found[name] = time.monotonic()
        return address

    # --- connections -------------------------------------------------------------------------------------------------

    def _called(self, sock: socket.socket, _events: int) -> None:
        for _ in range(_AT_ONCE):
            if not self._account.streams.any():
                self._pause(sock, self._called)
                return
            try:
                inner, _ = sock.accept()
            except BlockingIOError:
                return
            except OSError:  # out of descriptors
                self._pause(sock, self._called)
                return
            self._account.streams.take()
            if not self._let_in(inner):
                reset(inner)
                inner.close()

    def _let_in(self, inner: socket.socket) -> bool:
        try:
            text, port = inner.getsockname()[:2]
        except OSError:  # it was gone before it was looked at
            return False
        address = ip_address(text)
        if address == WAREHOUSE:
            return self._visits.let_in(inner)
        to = Destination(self._names.get(address, address), port)
        grant = self._account.grant(self._granted, to)
        if grant is Grant.NONE:
            self._refuse(not_listed(self._account.team, str(to.host), port))
            return False
        if len(self._account.connections) >= self._account.most:
            self._refuse(f"more than {self._account.most} connections of team {self._account.team} at once")
            return False
        connection = self._connection(inner, to)
        if not isinstance(to.host, str):
            self._connect(connection, to, grant, (to.host,))
            return True
        done = partial(self._connect, connection, to, grant)
        if not self._services.resolver.resolve(self._account.team, to.host, done):
            self._refuse("too many names are looked up at once")
            connection.reset()
        return True

    def _connection(self, inner: socket.socket, to: Destination) -> Connection:
        def ended() -> None:
            self._account.connections.pop(made, None)
            self._connections.discard(made)

        def failed(reason: str) -> None:
            self._refuse(f"{to.host} port {to.port} could not be reached: {reason}")

        lean = len(self._account.connections) >= WIDE
        made = Connection(self._services.loop, self._account.team, inner, lean, failed, ended)
        self._account.connections[made] = (self._granted, to)
        self._connections.add(made)
        return made

    def _connect(self, connection: Connection, to: Destination, grant: Grant, found: tuple[Address, ...]) -> None:
        """Connect to what was found, and to nothing that is found later: a name cannot change in between."""
        if connection not in self._connections:
            return
        reasons = {address: self._objection(address, to.port, public=grant is Grant.PUBLIC) for address in found}
        good = [address for address, reason in reasons.items() if reason is None]
        if found and not good:
            self._refuse(f"{to.host} port {to.port} is not let in: its address {found[0]} {reasons[found[0]]}")
            connection.reset()
            return
        connection.connect(good[:_MOST_ADDRESSES], to.port)

    def _objection(self, address: Address, port: int | None, *, public: bool) -> str | None:
        """Why an address is not connected to, if it is not itself on the list."""
        listed = [allowed.addresses.get(address, frozenset()) for allowed in (self._granted, self._account.list)]
        if listed[0] & listed[1] if port is None else all(port in ports for ports in listed):
            return None
        return destinations.refusal(address, public=public)
