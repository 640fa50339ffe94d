"""Who is next: fair between teams, first come first served within one. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

MOST_NICE = 10


def niceness(running: int) -> int:
    """How nice (in Unix's sense) a team's next task is to all others, when so many of the team's run already.

    A team's first task is as any process is. So who runs many at once shares with itself first, and where the machine
    is not busy nobody notices.
    """
    return min(MOST_NICE, running)


def next_in_line(
    waiting: Mapping[str, Sequence[T]],
    running: Mapping[str, int],
    slots: Mapping[str, int],
    free: int,
    last_served: Sequence[str] = (),
) -> list[tuple[str, T]]:
    """What starts now: the team with the least running goes first, whoever was served longest ago on a tie.

    :param waiting: team → its work in the order of arrival
    :param running: team → how much of its work runs
    :param slots: team → how much may run at once; a team that is not in it may run nothing
    :param free: how much may start in all; beyond it, each team that has nothing running may start one
    :param last_served: teams, the one served last at the end
    """
    lines = {team: deque(work) for team, work in waiting.items() if work}
    load = {team: running.get(team, 0) for team in lines}
    turn = {team: place for place, team in enumerate(last_served)}
    chosen: list[tuple[str, T]] = []
    while True:
        full = len(chosen) >= free
        able = [
            team
            for team, line in lines.items()
            if line and load[team] < (min(1, slots.get(team, 0)) if full else slots.get(team, 0))
        ]
        if not able:
            break
        team = min(able, key=lambda name: (load[name], turn.get(name, -1), name))
        chosen.append((team, lines[team].popleft()))
        load[team] += 1
        turn[team] = max(turn.values(), default=-1) + 1
    return chosen
