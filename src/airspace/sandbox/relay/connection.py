"""One connection of a team's: the socket of its sandbox, the socket outside, and what goes between them.

Of each direction at most one piece is held here; while the other side does not take it, nothing more is read.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airspace.sandbox.relay.loop import READ, WRITE, Loop, Timer
from airspace.sandbox.relay.rules import Address
from airspace.sandbox.relay.seal import Seal, Sealing

PIECE = 128 << 10
BUFFER = 256 << 10
_FIRST_SECONDS, _LAST_SECONDS = 5.0, 20.0  # for one address of several; for the last one
_RESET = struct.pack("ii", 1, 0)
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
Told = Callable[[str], None]


@dataclass
class _Way:
    """One direction."""

    source: socket.socket
    target: socket.socket
    rest: memoryview | None = None
    over: bool = False


class Connection:
    """From a sandbox to one host.

    :param lean: with small buffers in the kernel, which else lets a connection that nobody reads grow to ten megabytes
    :param on_failure: called with the reason when no address could be reached
    :param on_end: called once, when it is over
    """

    def __init__(
        self, loop: Loop, team: str, inner: socket.socket, lean: bool, on_failure: Told, on_end: Callable[[], None]
    ) -> None:
        self._loop, self._team, self._inner, self._lean = loop, team, inner, lean
        self._on_failure, self._on_end = on_failure, on_end
        self._outer: socket.socket | None = None
        self._left: list[Address | str] = []
        self._port = 0
        self._first = b""
        self._seal: Seal | None = None
        self._sealing: Sealing | None = None
        self._timer: Timer | None = None
        self._ways: tuple[_Way, _Way] | None = None
        self._ended = False
        inner.setblocking(False)

    def connect(
        self, addresses: Sequence[Address | str], port: int, first: bytes = b"", seal: Seal | None = None
    ) -> None:
        """Try these, one after the other.

        :param addresses: a text is the path of a socket
        :param first: what the sandbox has said already
        :param seal: what the server outside is spoken to with, if not in the clear
        """
        self._left, self._port, self._first, self._seal = list(addresses), port, first, seal
        self._try_next("it has no address")

    def reset(self) -> None:
        """End it at once, both sides hear that."""
        for each in (self._inner, self._outer):
            if each is not None:
                reset(each)
        self._end()

    def _try_next(self, reason: str) -> None:
        if self._ended:
            return
        self._drop_outer()
        if not self._left:
            self._on_failure(reason)
            self.reset()
            return
        address = self._left.pop(0)
        where = address if isinstance(address, str) else (str(address), self._port)
        try:
            family = socket.AF_UNIX if isinstance(address, str) else _FAMILIES[address.version]
            self._outer = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            if self._lean:
                for which in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                    self._outer.setsockopt(socket.SOL_SOCKET, which, BUFFER)
            found = self._outer.connect_ex(where)
        except OSError as error:  # out of descriptors
            found = error.errno or errno.EIO
        if found not in (0, errno.EINPROGRESS) or self._outer is None:
            self._try_next(os.strerror(found))
            return
        self._timer = self._loop.later(
            _FIRST_SECONDS if self._left else _LAST_SECONDS, lambda: self._try_next("it does not answer")
        )
        self._loop.watch(self._outer.fileno(), WRITE, self._team, self._connected)

    def _drop_outer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._sealing is not None:  # it may have put another socket in its place
            self._outer, self._sealing = self._sealing.outer, None
        if self._outer is not None:
            if self._outer.fileno() >= 0:
                self._loop.forget(self._outer.fileno())
            self._outer.close()
            self._outer = None

    def _connected(self, _events: int) -> None:
        outer = self._outer
        if outer is None or self._timer is None:
            return
        if found := outer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._try_next(os.strerror(found))
            return
        if self._seal is not None and self._sealing is None:
            self._loop.forget(outer.fileno())
            self._sealing = Sealing(self._loop, self._team, outer, self._seal, self._go_on, self._unsealed)
            return
        self._go_on(outer)

    def _unsealed(self, reason: str) -> None:
        """Another address of the same server would say the same."""
        self._left = []
        self._try_next(reason)

    def _go_on(self, outer: socket.socket) -> None:
        """What was said goes over, and what is answered comes back."""
        self._outer, self._sealing = outer, None
        if self._timer is not None:
            self._timer.cancel()
        try:
            outer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for each in (self._inner, outer) if outer.family != socket.AF_UNIX else (self._inner,):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:  # it was given up meanwhile
            self.reset()
            return
        first = memoryview(self._first) if self._first else None
        self._ways = (_Way(self._inner, outer, first), _Way(outer, self._inner))
        self._settle()

    def _ready(self, of: socket.socket, events: int) -> None:
        if self._ways is None:
            return
        if events & select.EPOLLERR:
            self.reset()
            return
        try:
            for way in self._ways:
                mine = READ | select.EPOLLHUP if way.source is of else WRITE
                if events & mine:
                    _move(way)
        except OSError:
            self.reset()
        else:
            self._settle()

    def _settle(self) -> None:
        """Wait for what can go on next; end it where nothing can."""
        if self._ways is None:
            return
        if all(way.over for way in self._ways):
            self._end()
            return
        for mine, (out, back) in ((self._ways[0].source, self._ways), (self._ways[1].source, self._ways[::-1])):
            events = READ if not out.over and out.rest is None else 0
            events |= WRITE if back.rest is not None else 0
            self._loop.watch(mine.fileno(), events, self._team, lambda found, mine=mine: self._ready(mine, found))  # type: ignore[misc]

    def _end(self) -> None:
        if self._ended:
            return
        self._ended, self._ways = True, None
        self._drop_outer()
        if self._inner.fileno() >= 0:
            self._loop.forget(self._inner.fileno())
            self._inner.close()
        self._on_end()


def _move(way: _Way) -> None:
    """What is held back, and if that is gone, the next piece."""
    if way.over:
        return
    try:
        if way.rest is None:
            data = way.source.recv(PIECE)
            if not data:
                way.over = True
                way.target.shutdown(socket.SHUT_WR)
                return
            way.rest = memoryview(data)
        sent = way.target.send(way.rest, socket.MSG_NOSIGNAL)
        way.rest = way.rest[sent:] if sent < len(way.rest) else None
    except BlockingIOError:
        return


def reset(sock: socket.socket) -> None:
    """Have closing it tell the other side that it was cut off, instead of that all was said."""
    if sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
