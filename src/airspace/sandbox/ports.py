"""What the rest of the platform sees of sandboxes, whatever they are made of: processes on this machine, later pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Used:
    """What a process used, as the kernel told whoever forked it. That is the team's: it can lie about its own work.

    :param cpu: milliseconds on processors, of the process and of those of its children that it waited for
    :param memory: KB that the largest of these held at its peak, what it shares with the platform among it
    """

    cpu: int
    memory: int


class Child(Protocol):
    """A process that runs a team's code in the team's sandbox."""

    pid: int
    """On this machine; −1 where that says nothing."""

    @property
    def lost(self) -> bool:
        """Whether it ended without anybody seeing how."""

    @property
    def used(self) -> Used | None:
        """What it has used; None while it runs, and where nobody saw how it ended."""

    @property
    def silent(self) -> bool:
        """Whether nobody will say how it ends: then only that it ended can be seen."""

    def watch(self) -> tuple[Any, ...]:
        """What becomes readable when there is news, for a selector; more of it may be known later."""

    def poll(self) -> int | None:
        """Take the news: the exit code (negative: the signal), or None while it runs or has not begun."""

    def signal(self, number: int) -> None:
        """Send a signal to it and to everything in its process group.

        :raises ProcessLookupError: it has ended
        """

    def wait(self, timeout: float | None) -> int:
        """The exit code (negative: the signal).

        :raises TimeoutError: it still runs after so many seconds
        """

    def close(self) -> None:
        """Give it up: what still runs of it is killed."""


class Sandboxes(Protocol):
    """The sandboxes of all teams."""

    def start(self, team: str, work: Mapping[str, Any], streams: Sequence[int]) -> Child:
        """Run this in a team's sandbox, which is built if there is none; returns when the process exists.

        :param work: as :class:`airspace.sandbox.zygote.Work`, without the streams
        :param streams: descriptors for the child: requests, stdout, stderr, logs
        :raises NotBegunError: nothing of it was run; with other streams it may be tried again
        :raises SandboxError: it could not be put into the team's sandbox; nothing of it was run
        """

    def order(self, team: str, work: Mapping[str, Any], streams: Sequence[int]) -> Child:
        """As :meth:`start`, for whoever must not wait for a team's sandbox: ends by itself when nothing comes of it.

        :raises BusyError: the sandbox is being built, or its team keeps it from answering: try later
        :raises SandboxError: it could not be put into the team's sandbox; nothing of it was run
        """

    def state(self) -> dict[str, int]:
        """Team → how many processes run in its sandbox; teams without a sandbox are not in it.

        :raises SandboxError: nobody answers
        """

    def stop(self, team: str) -> None:
        """End everything that runs for a team, and remove its sandbox. Fine when there is none.

        :raises SandboxError: nobody answers
        """
