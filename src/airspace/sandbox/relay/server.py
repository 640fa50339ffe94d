"""The relay's door: the spawner hands it sandboxes' sockets, supervisors hear of refusals. One loop for everything."""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from airspace.model.warehouse import Offer
from airspace.sandbox.messages import Packet, receive
from airspace.sandbox.relay.account import Account, most_connections
from airspace.sandbox.relay.box import Box, Services
from airspace.sandbox.relay.door import Gate
from airspace.sandbox.relay.loop import READ, Loop
from airspace.sandbox.relay.refusals import Hearer, Refusals, not_listed
from airspace.sandbox.relay.resolver import KEPT, Lookup, Resolver, look_up
from airspace.sandbox.relay.seal import seal_of

log = logging.getLogger("airspace.relay")

SOCKET = "relay.sock"
_CREDENTIALS = struct.Struct("3i")
_AT_ONCE = 16  # messages of one link in a turn


@dataclass
class _Link:
    """Somebody of the platform's: the spawner with its sandboxes, or a supervisor that hears."""

    sock: socket.socket
    boxes: dict[int, Box] = field(default_factory=dict)
    teams: dict[int, str] = field(default_factory=dict)
    hearing: list[tuple[str, Hearer]] = field(default_factory=list)


class Relay:
    """The process.

    :param clients: Unix users that may speak to it
    :param warehouse: where the teams' own database is
    """

    def __init__(
        self,
        run: Path,
        clients: frozenset[int],
        lookup: Lookup = look_up,
        kept: float = KEPT,
        warehouse: Offer | None = None,
    ) -> None:
        self._path, self._clients = run / SOCKET, clients
        self._loop = Loop()
        gate = Gate(warehouse, seal_of(warehouse)) if warehouse is not None and warehouse.refused is None else None
        self._services = Services(self._loop, Resolver(self._loop, lookup, kept), Refusals(), gate)
        self._accounts: dict[str, Account] = {}
        self._links: dict[int, _Link] = {}
        self._most = most_connections()
        self._stopping = False
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._loop.watch(self._woken, READ, "", lambda _: None)
        self._listener = self._listen()

    def stop(self) -> None:
        """End the loop; safe in a signal handler."""
        self._stopping = True
        with suppress(BlockingIOError):
            os.write(self._wake, b"!")

    def run(self) -> None:
        """Until stopped."""
        try:
            while not self._stopping:
                self._loop.round()
        finally:
            for link in list(self._links.values()):
                self._drop(link)
            self._listener.close()
            self._path.unlink(missing_ok=True)
            self._loop.close()

    def _listen(self) -> socket.socket:
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(self._path))
        self._path.chmod(0o600)
        listener.listen(512)
        listener.setblocking(False)
        self._loop.watch(listener.fileno(), READ, "", self._accept)
        return listener

    def _accept(self, _events: int) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            log.error("Somebody of the platform's could not be let in: %s", error)
            return
        _, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if uid not in self._clients:
            log.warning("User %d has nothing to ask here", uid)
            sock.close()
            return
        sock.setblocking(False)
        link = self._links[sock.fileno()] = _Link(sock)
        self._loop.watch(sock.fileno(), READ, "", lambda _: self._hear(link))
        self._hear(link)  # what was said before is heard before anything that happened later

    def _hear(self, link: _Link) -> None:
        for _ in range(_AT_ONCE):
            try:
                packet = receive(link.sock)
            except BlockingIOError:
                return
            except (ValueError, OSError) as error:
                log.warning("What was said is no message: %s", error)
                packet = None
            if packet is None:
                self._drop(link)
                return
            try:
                self._obey(link, packet)
            except (KeyError, TypeError, ValueError, OSError):
                log.exception("What was asked for could not be done")
            finally:
                packet.close()

    def _obey(self, link: _Link, packet: Packet) -> None:
        orders: dict[str, Callable[[_Link, Packet], None]] = {
            "box": self._take_box, "wires": self._take_wires, "gone": self._lose_box, "list": self._change_list,
            "hear": self._add_hearer,
        }  # fmt: skip
        for name, order in orders.items():
            if name in packet.body:
                order(link, packet)

    def _take_box(self, link: _Link, packet: Packet) -> None:
        number, team, entries = int(packet.body["box"]), str(packet.body["team"]), list(packet.body["network"])
        account = self._accounts.get(team)
        if account is None:
            account = self._accounts[team] = Account(team, self._most)
        link.boxes[number] = Box(self._services, account, entries)
        link.teams[number] = team
        self._set_list(account, list(packet.body["list"]))
        if account.list.open:
            log.info("%s: its sandbox is open to every public host, as its team file says", team)

    def _take_wires(self, link: _Link, packet: Packet) -> None:
        box = link.boxes[int(packet.body["wires"])]
        descriptors, packet.descriptors[:] = list(packet.descriptors), []
        box.add(str(packet.body["kind"]), descriptors)

    def _lose_box(self, link: _Link, packet: Packet) -> None:
        self._lose(link, int(packet.body["gone"]))

    def _lose(self, link: _Link, number: int) -> None:
        box, team = link.boxes.pop(number, None), link.teams.pop(number, None)
        if box is None or team is None:
            return
        box.close()
        if not self._accounts[team].boxes:
            del self._accounts[team]
            self._services.resolver.forget(team)

    def _change_list(self, _link: _Link, packet: Packet) -> None:
        if (account := self._accounts.get(str(packet.body["list"]))) is not None and "box" not in packet.body:
            self._set_list(account, list(packet.body["network"]))

    def _set_list(self, account: Account, entries: list[str]) -> None:
        for to in account.change(entries):
            reason = not_listed(account.team, str(to.host), to.port)
            self._services.refusals.tell(account.team, f"a connection was cut off: {reason}")

    def _add_hearer(self, link: _Link, packet: Packet) -> None:
        hearer = Hearer(link.sock)
        team = str(packet.body["hear"])
        self._services.refusals.add(team, hearer)
        link.hearing.append((team, hearer))

    def _drop(self, link: _Link) -> None:
        """Whoever spoke is gone: with the spawner its sandboxes."""
        for number in list(link.boxes):
            self._lose(link, number)
        for team, hearer in link.hearing:
            self._services.refusals.remove(team, hearer)
        self._links.pop(link.sock.fileno(), None)
        self._loop.forget(link.sock.fileno())
        link.sock.close()
