"""Names of the world outside, asked of the machine's own resolver. It may take its time, so threads wait for it."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

from airspace.sandbox.relay.loop import READ, Loop
from airspace.sandbox.relay.rules import Address

THREADS = 240
MOST_AT_ONCE = 12  # of one team: one whose name servers are silent leaves the others their threads
_MOST_WAITING = 64  # names of one team; and askers of one name
KEPT, _KEPT_FAILURES = 20.0, 3.0  # seconds
_MOST_KEPT = 512  # names of one team
Done = Callable[[tuple[Address, ...]], None]
Lookup = Callable[[str], tuple[Address, ...]]


def look_up(name: str) -> tuple[Address, ...]:
    """The addresses of a host, as every program of this machine would get them; none when there are none."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    return tuple(dict.fromkeys(ip_address(address) for address in addresses))


class Resolver:
    """Asks in threads, answers in the loop. What was found is kept for a moment, for each team by itself.

    :param kept: how long
    """

    def __init__(self, loop: Loop, lookup: Lookup = look_up, kept: float = KEPT) -> None:
        self._lookup, self._seconds = lookup, kept
        self._waiting: dict[tuple[str, str], list[Done]] = {}
        self._asked: Counter[str] = Counter()
        self._held: dict[str, OrderedDict[str, None]] = {}
        self._kept: dict[str, OrderedDict[str, tuple[float, tuple[Address, ...]]]] = {}
        self._jobs: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._found: queue.SimpleQueue[tuple[str, str, tuple[Address, ...]]] = queue.SimpleQueue()
        self._threads = 0
        self._idle = threading.Semaphore(0)
        self._wake, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        loop.watch(self._wake, READ, "", self._hear)

    def resolve(self, team: str, name: str, done: Done) -> bool:
        """Have ``done`` called with the addresses, now or later; False: too many of this team's are waited for."""
        kept = self._kept.get(team, OrderedDict()).get(name)
        if kept is not None and time.monotonic() < kept[0]:
            done(kept[1])
            return True
        key = (team, name)
        if key in self._waiting:
            if len(self._waiting[key]) >= _MOST_WAITING:
                return False
            self._waiting[key].append(done)
            return True
        held = self._held.setdefault(team, OrderedDict())
        if len(held) >= _MOST_WAITING:
            return False
        self._waiting[key] = [done]
        held[name] = None
        self._begin(team)
        return True

    def forget(self, team: str) -> None:
        """What was found for a team that has no sandbox any more."""
        self._kept.pop(team, None)

    def _begin(self, team: str) -> None:
        held = self._held.get(team)
        while held and self._asked[team] < MOST_AT_ONCE:
            name, _ = held.popitem(last=False)
            self._asked[team] += 1
            if not self._idle.acquire(blocking=False) and self._threads < THREADS:
                self._threads += 1
                threading.Thread(target=self._serve, daemon=True).start()
            self._jobs.put((team, name))
        if not held:
            self._held.pop(team, None)

    def _serve(self) -> None:
        while True:
            team, name = self._jobs.get()
            self._found.put((team, name, self._lookup(name)))
            self._idle.release()
            with suppress(BlockingIOError):
                os.write(self._woken, b"!")

    def _hear(self, _events: int) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake, 4096)
        with suppress(queue.Empty):
            while True:
                team, name, found = self._found.get_nowait()
                self._asked[team] -= 1
                if not self._asked[team]:
                    del self._asked[team]
                self._keep(team, name, found)
                self._begin(team)
                for done in self._waiting.pop((team, name), ()):
                    done(found)

    def _keep(self, team: str, name: str, found: tuple[Address, ...]) -> None:
        kept = self._kept.setdefault(team, OrderedDict())
        kept[name] = (time.monotonic() + min(self._seconds, self._seconds if found else _KEPT_FAILURES), found)
        kept.move_to_end(name)
        while len(kept) > _MOST_KEPT:
            kept.popitem(last=False)
