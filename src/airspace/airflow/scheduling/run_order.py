"""Which runs are looked at next, and which of them are heavy. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

HEAVY = 300
"""Task instances from which on a run is heavy: a look at it takes as long as at ten ordinary ones."""
KNOWN_FOR = 5.0
"""Seconds that a size is relied on: only what tasks hand over to be mapped changes it."""


@dataclass(frozen=True)
class Waiting:
    """A running run: its team, and its place in the team's line (1 is next)."""

    id: int
    team: str | None
    place: int


BESIDE_OTHERS = 5
"""Runs of one team that are looked at in a loop while other teams' wait too: what a loop takes, everybody waits."""


def round_robin(runs: Iterable[Waiting], most: int) -> list[int]:
    """The runs to look at: every team's first one, then every team's second one, as far as there is room."""
    by_team: dict[str | None, list[Waiting]] = {}
    for run in sorted(runs, key=lambda run: run.place):
        by_team.setdefault(run.team, []).append(run)
    each = BESIDE_OTHERS if len(by_team) > 1 else most
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
