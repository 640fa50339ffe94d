"""The spawner's hold on the relay: it keeps every sandbox's sockets, so that one that was killed gets them again."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airspace.sandbox.messages import readable, send
from airspace.sandbox.relay import wires
from airspace.sandbox.relay.server import SOCKET
from airspace.sandbox.relay.wires import Wire

log = logging.getLogger("airspace.spawner")

_BATCH = 14
_SECONDS = 0.5  # a relay that takes nothing for so long is spoken to again later
Entries = tuple[str, ...]


@dataclass
class _Offer:
    team: str
    network: Entries
    wires: list[Wire]


class RelayLink:
    """What the relay was handed, and is handed again. Nothing here waits for it long."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / SOCKET
        self._sock: socket.socket | None = None
        self._offers: dict[int, _Offer] = {}
        self._lists: dict[str, Entries] = {}

    def offer(self, number: int, team: str, network: Entries, made: list[Wire]) -> None:
        """Hand it a sandbox's sockets, which are ours to close from now on."""
        offer = self._offers[number] = _Offer(team, network, made)
        self._lists.setdefault(team, network)
        if self._sock is not None:
            self._hand(number, offer)
        else:
            self.look()

    def withdraw(self, number: int) -> None:
        """The sandbox is gone. Harmless when there never was one."""
        offer = self._offers.pop(number, None)
        if offer is None:
            return
        wires.close(offer.wires)
        if all(other.team != offer.team for other in self._offers.values()):
            self._lists.pop(offer.team, None)
        self._say({"gone": number})

    def lists(self, today: Mapping[str, Entries]) -> None:
        """What the teams' files say now."""
        for team, before in list(self._lists.items()):
            now = today.get(team, ())
            if now != before:
                self._lists[team] = now
                self._say({"list": team, "network": now})

    def look(self) -> None:
        """Whether it is there; one that has just come gets everything."""
        if self._sock is not None and readable(self._sock):  # it never says anything: this is its end
            log.warning("The relay is gone: no sandbox reaches anything until it is back")
            self._drop()
        if self._sock is None and self._offers and self._connect():
            for number, offer in self._offers.items():
                self._hand(number, offer)

    def close(self) -> None:
        """Give everything up."""
        for number in list(self._offers):
            self.withdraw(number)
        self._drop()

    def _connect(self) -> bool:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.settimeout(_SECONDS)
        try:
            sock.connect(str(self._path))
        except OSError:  # it is not there yet, or not again
            sock.close()
            return False
        self._sock = sock
        return True

    def _hand(self, number: int, offer: _Offer) -> None:
        self._say({"box": number, "team": offer.team, "network": offer.network, "list": self._lists[offer.team]})
        for kind in (wires.NAMES, wires.STREAMS):
            mine = [wire.descriptor for wire in offer.wires if wire.kind == kind]
            for start in range(0, len(mine), _BATCH):
                self._say({"wires": number, "kind": kind}, mine[start : start + _BATCH])

    def _say(self, body: dict[str, Any], descriptors: list[int] | None = None) -> None:
        if self._sock is None:
            return
        try:
            send(self._sock, body, descriptors or [])
        except OSError as error:  # it takes nothing, or is gone: handed again when it is back
            log.warning("The relay does not listen: %s", error)
            self._drop()

    def _drop(self) -> None:
        if self._sock is not None:
            with suppress(OSError):
                self._sock.close()
            self._sock = None
