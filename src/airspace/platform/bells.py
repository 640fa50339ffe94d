"""Bells: datagram sockets in the run folder that end a component's wait early.

A ring is a hint. Whoever is rung finds out for itself what changed, and looks from time to time without a ring too: a
lost ring costs a second, never correctness.
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

LONGEST = 512


def run_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where the sockets are: ``$AIRSPACE_RUN``, which stands in for a run folder with too long a path."""
    env = dict(os.environ) if environ is None else dict(environ)
    return Path(env["AIRSPACE_RUN"]) if env.get("AIRSPACE_RUN") else HomeLayout(home_root(env)).run


def ring(name: str, message: str = "!", run: Path | None = None) -> bool:
    """Ring a bell; False when nobody is there or their queue is full, which is theirs to make up for."""
    path = (run or run_dir()) / name
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell, contextlib.suppress(OSError):
        bell.setblocking(False)
        bell.sendto(message.encode()[:LONGEST], str(path))
        return True
    return False


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
