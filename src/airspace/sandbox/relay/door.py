"""The door of the warehouse: a connection says whose it is before the server hears of it.

PostgreSQL gives one of its few places to whoever connects, before it asks for a password, and lets a role try every
database. So the relay reads the first message itself: only a team's own role gets on, and only to the warehouse.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from airspace.model.warehouse import CONNECTIONS_OF_ALL, Offer
from airspace.sandbox.relay.loop import READ, Loop
from airspace.sandbox.relay.seal import Seal

OF_ONE_TEAM = 18  # connections at once: as many as a team file may ask for, and some that are being ended
_LONGEST = 10_000  # bytes of the first message, as PostgreSQL has it
_SECONDS = 10.0
_HEAD = struct.Struct("!II")
_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_LONGEST_CANCEL = 300
_NO = frozenset({"", "0", "off", "no", "false", "f", "n", "of"})


@dataclass
class Gate:
    """What all doors share: where the server is, how it is spoken to, and how many are connected to it."""

    offer: Offer
    seal: Seal | None = None
    connected: int = field(default=0, init=False)

    @property
    def full(self) -> bool:
        """Whether nobody more gets on."""
        return self.connected >= CONNECTIONS_OF_ALL


class WrongError(Exception):
    """What was said is not the team's to say; the message is for its author."""


def first_words(data: bytes, offer: Offer, team: str) -> tuple[str, int]:
    """What it begins with, and how long that is: ``more`` is to come, ``no`` to encryption, ``on`` with it.

    :raises WrongError: nobody is let on with it
    """
    if len(data) < _HEAD.size:
        return "more", 0
    length, code = _HEAD.unpack_from(data)
    if code in (_SSL, _GSS) and length == _HEAD.size:
        return "no", length
    if not _HEAD.size < length <= (_LONGEST_CANCEL if code == _CANCEL else _LONGEST):
        raise WrongError("that is no PostgreSQL client")
    if len(data) < length:
        return "more", 0
    if code == _CANCEL:
        return "on", length
    if code >> 16 != 3:
        raise WrongError("that is no PostgreSQL client of today")
    _check(_parameters(data[_HEAD.size : length]), offer, team)
    return "on", length


def _parameters(data: bytes) -> dict[str, str]:
    """Names and values, each ended by a zero, and another zero. One that is named twice could be read two ways."""
    if not data.endswith(b"\0\0") and data != b"\0":
        raise WrongError("that is no PostgreSQL client")
    words = data[:-2].split(b"\0") if len(data) > 1 else []
    names = words[::2]
    if len(words) % 2 or len(set(names)) != len(names) or b"" in names:
        raise WrongError("that is no PostgreSQL client")
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in zip(names, words[1::2])}  # noqa: B905  # as many


def _check(said: dict[str, str], offer: Offer, team: str) -> None:
    role, user = offer.role(team), said.get("user", "")
    database = said.get("database") or user
    if user != role:
        raise WrongError(f'in the warehouse, team {team} is the role "{role}", and no other')
    if database != offer.database:
        raise WrongError(f'the warehouse is the database "{offer.database}", and there is no other here')
    if said.get("replication", "").lower() not in _NO:
        raise WrongError("the warehouse is not replicated from here")


def refusal(words: str) -> bytes:
    """PostgreSQL's own message of it, for the client's error."""
    fields = b"".join((b"SFATAL\0", b"VFATAL\0", b"C28000\0", b"M", words.encode()[:400], b"\0\0"))
    return b"E" + struct.pack("!I", len(fields) + 4) + fields


class Door:
    """One client, until it has said who it is.

    :param on: called with what it said; ``off``: with the reason why it gets no further, or None where it left
    """

    def __init__(
        self,
        loop: Loop,
        team: str,
        inner: socket.socket,
        offer: Offer,
        on: Callable[[bytes], None],
        off: Callable[[str | None], None],
    ) -> None:
        self._loop, self._team, self._inner, self._offer, self._on, self._off = loop, team, inner, offer, on, off
        self._said = b""
        self._asked = 0
        self._over = False
        inner.setblocking(False)
        self._timer = loop.later(_SECONDS, lambda: self._end("it did not say who it is"))
        loop.watch(inner.fileno(), READ, team, self._hear)

    def close(self) -> None:
        """Give it up. Harmless afterwards."""
        self._end(None)

    def _hear(self, _events: int) -> None:
        try:
            data = self._inner.recv(_LONGEST + 1 - len(self._said))
            if not data:
                self._end(None)
                return
            self._said += data
            self._understand()
        except BlockingIOError:
            return
        except OSError:
            self._end(None)
        except WrongError as error:
            self._end(str(error))

    def _understand(self) -> None:
        what, length = first_words(self._said, self._offer, self._team)
        while what == "no":
            self._asked += 1
            if self._asked > 2:
                raise WrongError("that is no PostgreSQL client")
            self._inner.send(b"N", socket.MSG_NOSIGNAL)
            self._said = self._said[length:]
            what, length = first_words(self._said, self._offer, self._team)
        if what == "on":
            self._over = True
            self._timer.cancel()
            self._loop.forget(self._inner.fileno())
            self._on(self._said)
        elif len(self._said) > _LONGEST:
            raise WrongError("that is no PostgreSQL client")

    def _end(self, why: str | None) -> None:
        if self._over:
            return
        self._over = True
        self._timer.cancel()
        self._loop.forget(self._inner.fileno())
        if why is not None:
            say(self._inner, why)
        self._inner.close()
        self._off(why)


def say(sock: socket.socket, why: str) -> None:
    """Tell a client why it gets no further."""
    try:
        sock.send(refusal(why), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        return
