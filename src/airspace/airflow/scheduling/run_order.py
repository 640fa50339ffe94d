"""Which runs are looked at next, which of them are heavy, and which have nothing new. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

HEAVY = 300
"""Task instances from which on a run is heavy: a look at it takes as long as at ten ordinary ones."""
KNOWN_FOR = 5.0
"""Seconds that a size is relied on: only what tasks hand over to be mapped changes it."""


LOOK_ANYWAY = 0.45
"""Seconds after which a run is looked at though nothing in it changed: some of what is decided is a matter of time."""


@dataclass(frozen=True)
class Waiting:
    """A running run: its team, its place in the team's line (1 is next), and its Dag and name."""

    id: int
    team: str | None
    place: int
    key: tuple[str, str] = ("", "")


BESIDE_OTHERS = 5
"""Runs of one team that are looked at in a loop while other teams' wait too: what a loop takes, everybody waits."""


def round_robin(runs: Iterable[Waiting], most: int, *, beside_others: bool = False) -> list[int]:
    """The runs to look at: every team's first one, then every team's second one, as far as there is room.

    :param beside_others: other teams have runs too, though none of them is to be looked at now
    """
    by_team: dict[str | None, list[Waiting]] = {}
    for run in sorted(runs, key=lambda run: run.place):
        by_team.setdefault(run.team, []).append(run)
    each = BESIDE_OTHERS if beside_others or len(by_team) > 1 else most
    rounds = [(position, run) for line in by_team.values() for position, run in enumerate(line[:each])]
    # Of teams in the same round, the one with fewer runs goes first: it is done with them sooner.
    rounds.sort(key=lambda item: (item[0], len(by_team[item[1].team]), str(item[1].team)))
    return [run.id for _, run in rounds[:most]]


@dataclass
class RunSizes:
    """How many task instances each run has, asked seldom."""

    clock: Callable[[], float] = time.monotonic
    _known: dict[int, tuple[float, int]] = field(default_factory=dict)

    def to_measure(self, run_ids: Sequence[int]) -> list[int]:
        """Those of these runs whose size is not known, or was known too long ago. The others are forgotten."""
        now = self.clock()
        self._known = {run_id: self._known[run_id] for run_id in run_ids if run_id in self._known}
        return [run_id for run_id in run_ids if run_id not in self._known or now - self._known[run_id][0] > KNOWN_FOR]

    def learn(self, sizes: Mapping[int, int]) -> None:
        """What was measured."""
        now = self.clock()
        self._known.update({run_id: (now, size) for run_id, size in sizes.items()})

    def is_heavy(self, run_id: int) -> bool:
        """Whether it is; what is not known is not."""
        return self._known.get(run_id, (0.0, 0))[1] >= HEAVY


@dataclass
class Looks:
    """What runs were like when they were last looked at.

    The scheduler is woken by one task's end, and other teams' runs are then as they were: a look at them finds nothing.
    """

    clock: Callable[[], float] = time.monotonic
    _seen: dict[int, tuple[float, object]] = field(default_factory=dict)

    def due(self, runs: Mapping[int, str], marks: Mapping[int, object]) -> set[int]:
        """Those that are to be looked at: new ones, changed ones, other runs of a changed one's Dag, and in time all.

        :param runs: run → its Dag; others are forgotten
        :param marks: run → what differs when anything happened in it that a look could go by
        """
        self._seen = {run_id: self._seen[run_id] for run_id in runs if run_id in self._seen}
        now = self.clock()
        never = (float("-inf"), None)
        changed = {runs[run_id] for run_id in runs if self._seen.get(run_id, never)[1] != marks.get(run_id)}
        return {
            run_id
            for run_id, dag_id in runs.items()
            if dag_id in changed or now - self._seen.get(run_id, never)[0] >= LOOK_ANYWAY
        }

    def begun(self, run_ids: Iterable[int], marks: Mapping[int, object]) -> None:
        """These are looked at now; their marks were taken before."""
        now = self.clock()
        self._seen.update({run_id: (now, marks.get(run_id)) for run_id in run_ids})
