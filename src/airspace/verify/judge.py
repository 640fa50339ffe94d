"""From what was seen to a verdict. Pure.

A row is ``blocked`` only where its control succeeded, as an attack that fails everywhere shows nothing, and only where
the machine has what the promise needs: what is not promised may fail by luck, as a busy processor gives nobody much.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from airspace.verify.attack import Attack, Promise
from airspace.verify.inside.runner import Result

BLOCKED, LOST, NOT_PROMISED = "blocked", "lost", "not_promised"
_NOT_RUN = Result("unshown", "it was not run")


@dataclass(frozen=True)
class Machine:
    """What decides which promises hold here.

    :param walls: whether the platform runs with sandboxes
    :param controllers: cgroup controllers that limit a sandbox
    :param own_users: whether each team has a Unix user of its own
    """

    walls: bool
    controllers: frozenset[str] = frozenset()
    own_users: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the report."""

    id: str
    surface: str
    control: str
    observed: str
    verdict: str


@dataclass(frozen=True)
class Verdicts:
    """All rows, and what was left out."""

    rows: Sequence[Row]
    not_run: Sequence[str] = ()

    def count(self, verdict: str) -> int:
        """How many rows have it."""
        return sum(row.verdict == verdict for row in self.rows)

    @property
    def held(self) -> bool:
        """Whether something was shown and nothing was lost."""
        return self.count(LOST) == 0 and self.count(BLOCKED) > 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        counts = {verdict: self.count(verdict) for verdict in (BLOCKED, LOST, NOT_PROMISED)}
        return {"attacks": [asdict(row) for row in self.rows], **counts, "not_run": list(self.not_run)}


def judge_all(
    attacks: Collection[Attack], controls: Mapping[str, Result], results: Mapping[str, Result], machine: Machine
) -> list[Row]:
    """One row for each."""
    return [
        judge(attack, controls.get(attack.id, _NOT_RUN), results.get(attack.id, _NOT_RUN), machine)
        for attack in attacks
    ]


def judge(attack: Attack, control: Result, attempt: Result, machine: Machine) -> Row:
    """The verdict on one attack."""
    verdict, observed = _verdict(attack, control, attempt, machine)
    shown = control.said if control.outcome == "done" else f"failed: {control.said}"
    return Row(attack.id, attack.surface, shown, observed, verdict)


def _verdict(attack: Attack, control: Result, attempt: Result, machine: Machine) -> tuple[str, str]:
    lacking = unpromised(attack.promise, machine)
    if attempt.outcome == "done" and (lacking is None or not machine.walls):
        return LOST, attempt.said
    if attempt.outcome == "broken":
        return NOT_PROMISED, f"the attack itself is broken, please report it: {attempt.said}"
    if attempt.outcome == "unshown":
        return NOT_PROMISED, f"not shown: {attempt.said}"
    if lacking is not None:
        return NOT_PROMISED, f"{lacking}: {attempt.said}"
    if control.outcome != "done":
        return NOT_PROMISED, f"not shown: the control did not succeed here either ({attempt.said})"
    return BLOCKED, attempt.said


def unpromised(promise: Promise, machine: Machine) -> str | None:
    """Why this is not promised here; None: it is. Without walls what succeeds is lost all the same."""
    if promise is not Promise.ALWAYS and not machine.walls:
        return "there are no sandboxes"
    lacking = {
        Promise.MEMORY: "memory" not in machine.controllers
        and "no memory cgroup on this machine: memory is limited for each process only",
        Promise.CPU: "cpu" not in machine.controllers
        and "no cpu cgroup on this machine: the processor is shared by niceness only",
        Promise.PIDS: not (machine.own_users or "pids" in machine.controllers)
        and "no pids cgroup on this machine: processes are counted for all teams together",
        Promise.OWN_USERS: not machine.own_users
        and "one Unix user for all teams, because root did not start the platform",
        Promise.STORAGE_QUOTA: "storage has no quota",
    }
    return lacking.get(promise) or None
