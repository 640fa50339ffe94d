"""Bells: datagram sockets in the run folder that end a component's wait early.

A ring is a hint. Whoever is rung finds out for itself what changed, and looks from time to time without a ring too: a
lost ring costs time, never correctness. The system keeps some ten rings for who is busy and drops what comes then, so
whoever says which of many things changed is patient: :class:`Patient`.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from airspace.model.home import HomeLayout, home_root

DOORBELL = "doorbell.sock"
"""The Dag processor's; a bundle's name says that its files changed, anything else that the teams did."""

WAKE = "wake.sock"
"""The scheduler's; any byte means "look now"."""

TRIGGERS = "triggers.sock"
"""The triggerer's; any byte means that there may be a trigger to start, or one to end."""

SOURCES = "sources.sock"
"""The puller's; a bundle's name says that its remote source is to be looked at now."""

LONGEST = 512
AGAIN = 0.05  # seconds until somebody busy, or just being started, is rung for again


def run_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where the sockets are: ``$AIRSPACE_RUN``, which stands in for a run folder with too long a path."""
    env = dict(os.environ) if environ is None else dict(environ)
    return Path(env["AIRSPACE_RUN"]) if env.get("AIRSPACE_RUN") else HomeLayout(home_root(env)).run


def ring(name: str, message: str = "!", run: Path | None = None) -> bool:
    """Ring a bell; False when nobody is there or their queue is full: they look by themselves some time later."""
    path = (run or run_dir()) / name
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell, contextlib.suppress(OSError):
        bell.setblocking(False)
        bell.sendto(message.encode()[:LONGEST], str(path))
        return True
    return False


class Patient:
    """Rings one bell with many messages, each of which is kept until it was taken: ring again after ``pause``."""

    def __init__(self, name: str, run: Path) -> None:
        self._name, self._run = name, run
        self._left: dict[str, None] = {}

    def ring(self, *messages: str) -> None:
        """Ring for these, and for those that could not be told before; nothing is waited for."""
        self._left.update(dict.fromkeys(messages))
        while self._left and ring(self._name, next(iter(self._left)), self._run):
            del self._left[next(iter(self._left))]

    @property
    def pause(self) -> float:
        """Seconds until it should ring again."""
        return AGAIN if self._left else float("inf")


def hang(name: str, run: Path | None = None) -> socket.socket:
    """Put up a bell, in place of one that a dead process left behind."""
    path = (run or run_dir()) / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bell.setblocking(False)
    bell.bind(str(path))
    path.chmod(0o600)
    return bell


def rings(bell: socket.socket) -> set[str]:
    """Everything that was rung since the last time."""
    heard: set[str] = set()
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.add(bell.recv(LONGEST).decode(errors="replace"))
    return heard
