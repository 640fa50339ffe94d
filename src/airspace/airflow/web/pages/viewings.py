"""Having a team's files and tables looked at in its sandbox, from the API server, which waits for nobody.

The order is a question to the spawner; the rest is one socket, read as it comes and within bounds. Whatever hangs or
floods is ended with its process, and holds one of its own team's turns until then.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from airspace.airflow import sandbox_child
from airspace.airflow.web.pages.turns import Turns
from airspace.model.home import HomeLayout, home_root
from airspace.platform import bells
from airspace.sandbox.client import SpawnerClient
from airspace.sandbox.errors import BusyError, NotBegunError, SandboxError
from airspace.sandbox.messages import SOCKET
from airspace.sandbox.ports import Child
from airspace.storage.viewing import reader
from airspace.storage.viewing.answers import MOST_BYTES, A, Failed, Opened, StrangeAnswerError, judged

log = logging.getLogger(__name__)

SECONDS = 5.0  # for an answer, from the order on
SHOW_SECONDS, SAVE_SECONDS, STALLED_SECONDS = 60.0, 3600.0, 30.0
_PAUSE, _ATTEMPTS, _CHUNK = 0.02, 3, 256 * 1024
_ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8"}
_WHERE = "The platform's owner finds the reason in logs/spawner.log."
_SLOW = f"Looking at it took longer than {SECONDS:.0f} seconds, and was ended."
_STRANGE = "Looking at it was ended: it takes too much, or somebody of the team ended it."
_turns, _saving = Turns(2, 8, 3.0), Turns(2, 0, 0.0)
# The spawner answers at once; it is asked beside the event loop because it may be starting just then.
_orders = ThreadPoolExecutor(4, thread_name_prefix="airspace-viewing")


class TroubleError(Exception):
    """There is no answer; the message says why, in words for whoever asked."""


class AwayError(TroubleError):
    """Nobody can be asked now."""


class SlowError(TroubleError):
    """It takes too long, or what came is no answer: that is the team's own doing."""


async def ask(team: str, question: reader.Question, wanted: type[A]) -> A | Failed:
    """One question about files or tables, put to the team's sandbox.

    :raises TroubleError: there is no answer
    :raises airspace.airflow.web.pages.turns.NoTurnError: others of the team ask
    """
    viewing = await _begin(team, question, _turns)
    try:
        return await viewing.answer(wanted)
    finally:
        viewing.close()


async def open_file(team: str, question: reader.Question) -> tuple[Opened, Viewing] | Failed:
    """A file's bytes, which the caller reads from what it is given, and then closes.

    :raises TroubleError: as :func:`ask`
    """
    saved = question["what"] == reader.SAVE
    viewing = await _begin(team, question, _saving if saved else _turns)
    found: Opened | Failed | None = None
    try:
        found = await viewing.answer(Opened)
        viewing.until = time.monotonic() + (SAVE_SECONDS if saved else SHOW_SECONDS)
        return (found, viewing) if isinstance(found, Opened) else found
    finally:
        if not isinstance(found, Opened):
            viewing.close()


def question(what: str, parts: Sequence[str], after: str | None = None) -> reader.Question:
    """What a reader is asked."""
    return {"what": what, "root": str(HomeLayout(home_root()).storage), "parts": list(parts), "after": after}


@dataclass
class Viewing:
    """A process that looks at what a team has for somebody."""

    team: str
    turns: Turns
    until: float
    link: socket.socket | None = None
    child: Child | None = None
    _closed: bool = field(default=False, init=False)
    _size: int = field(default=0, init=False)

    async def begin(self, asked: reader.Question) -> None:
        """Have it begun, ask, and wait for the first of its answer. What was never begun is tried again.

        :raises SandboxError: it cannot be begun
        :raises SlowError: it ended without an answer, or says nothing
        """
        body = json.dumps(asked).encode()
        for left in reversed(range(_ATTEMPTS)):
            try:
                link = await self._ordered()
                await self._within(asyncio.get_running_loop().sock_sendall(link, reader.HEADER.pack(len(body)) + body))
                self._size = reader.HEADER.unpack(await self._exactly(reader.HEADER.size))[0]
            except asyncio.TimeoutError:
                raise SlowError(_SLOW) from None
            except (NotBegunError, EOFError, OSError):
                begun = self.child is not None and _has_begun(self.child)
                self._drop()
                if begun:
                    raise SlowError(_STRANGE) from None
                if not left:
                    raise
            else:
                return

    async def _ordered(self) -> socket.socket:
        loop, run = asyncio.get_running_loop(), bells.run_dir()
        if not (run / SOCKET).exists():
            raise SandboxError("the spawner is not there")
        spawner = SpawnerClient(run, patience=0.0)
        order = sandbox_child.order(sandbox_child.VIEWING, f"airspace viewing: {self.team}", _ENVIRONMENT)
        link, theirs = sandbox_child.stream()
        self.link = link
        link.setblocking(False)
        with theirs:
            while self.child is None:
                try:
                    self.child = await loop.run_in_executor(_orders, spawner.order, self.team, order, [theirs.fileno()])
                except BusyError:  # its sandbox is being built, or its team keeps it from taking work
                    if time.monotonic() > self.until:
                        raise
                    await asyncio.sleep(_PAUSE)
        return link

    async def answer(self, wanted: type[A]) -> A | Failed:
        """What it answers.

        :raises SlowError: nothing that is an answer, or not in time
        """
        try:
            if self._size > MOST_BYTES:
                raise StrangeAnswerError
            return judged(await self._exactly(self._size), wanted)
        except asyncio.TimeoutError:
            raise SlowError(_SLOW) from None
        except (StrangeAnswerError, EOFError, OSError):
            raise SlowError(_STRANGE) from None

    async def pieces(self, size: int) -> AsyncIterator[bytes]:
        """So many bytes, and no more. Ends early where there are fewer."""
        left = size
        while left and time.monotonic() < self.until:
            try:
                piece = await self._received(min(_CHUNK, left))
            except (asyncio.TimeoutError, OSError):
                return
            if not piece:
                return
            left -= len(piece)
            yield piece

    def close(self) -> None:
        """End it. Harmless when repeated."""
        if not self._closed:
            self._closed = True
            self._drop()
            self.turns.give(self.team)

    def __del__(self) -> None:
        """Whoever was to read it was given up before it began to."""
        self.close()

    def _drop(self) -> None:
        if self.link is not None:
            self.link.close()
        if self.child is not None:
            # Only a process that was shown to the spawner is ended with its order.
            self.child.poll()
            self.child.close()
        self.link = self.child = None

    async def _exactly(self, size: int) -> Any:
        data = bytearray()
        while len(data) < size:
            piece = await self._received(min(_CHUNK, size - len(data)))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    async def _received(self, most: int) -> Any:
        return await self._within(asyncio.get_running_loop().sock_recv(self.link, most))  # type: ignore[arg-type]

    async def _within(self, what: Any) -> Any:
        return await asyncio.wait_for(what, max(0.0, min(self.until - time.monotonic(), STALLED_SECONDS)))


def _has_begun(child: Child) -> bool:
    child.poll()
    return child.pid > 0


async def _begin(team: str, asked: reader.Question, turns: Turns) -> Viewing:
    await turns.take(team)
    viewing = Viewing(team, turns, time.monotonic() + SECONDS)
    try:
        await viewing.begin(asked)
    except BaseException as error:
        viewing.close()
        if isinstance(error, BusyError):
            raise AwayError(f"The sandbox of {team} takes no work now. Try again in a moment.") from None
        if isinstance(error, (SandboxError, EOFError, OSError)):
            log.warning("What %s has cannot be looked at: %s", team, error)
            raise AwayError(f"What {team} has cannot be looked at now. {_WHERE}") from None
        raise
    return viewing
