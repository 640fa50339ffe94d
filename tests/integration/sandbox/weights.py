"""What sandboxes may hold in memory only to be quick."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from airspace.sandbox.memory import Budget
from tests.integration.sandbox.house import NAME, House, is_gone, parent, until

BIG, SMALL = 60, 30  # MB, of files that are read


@contextlib.contextmanager
def _house(house: House, each: int, total: int) -> Iterator[House]:
    """One of its own, where sandboxes stay for long."""
    house.client.stop("reds")
    made = House(house.walls, f"{NAME}-w", keep_idle=60.0, budget=Budget(each << 20, total << 20))
    try:
        made.add("greens")
        yield made
    finally:
        made.stop()


def _nest(house: House, team: str, megabytes: int) -> dict[str, str]:
    """A file whose nest holds so much, read."""
    file = house.layout.bundles / team / "dag.py"
    file.write_text(f"holds {megabytes}")
    nest = {"file": str(file)}
    until(lambda: house.sh(team, "echo $READ", nest=nest)[1] != "none")
    return nest


def what_is_idle_and_holds_too_much_is_gone_at_once(house: House) -> None:
    with _house(house, BIG - 10, 1000) as own:
        own.sh("greens", "true")
        _nest(own, "blues", BIG)
        until(lambda: own.client.state() == {"greens": 0})
        assert own.sh("blues", "echo again")[1] == "again"


def of_all_that_is_idle_the_longest_idle_goes_first(house: House) -> None:
    with _house(house, 1000, 2 * SMALL + 20) as own:
        for team in ("blues", "reds"):
            _nest(own, team, SMALL)
        time.sleep(1.5)
        assert set(own.client.state()) == {"blues", "reds"}, "together they are within it"
        for team in ("blues", "reds"):  # so that what they hold is not given up for its idleness first
            own.sh(team, "true", nest={"file": str(own.layout.bundles / team / "dag.py")})
        _nest(own, "greens", SMALL)
        until(lambda: set(own.client.state()) == {"reds", "greens"})
        time.sleep(1.5)
        assert set(own.client.state()) == {"reds", "greens"}


def _present_zygote(house: House, team: str) -> int:
    begun = house.begin(team, "echo ready; sleep 20")
    begun.read(b"ready")
    try:
        return parent(begun.child.pid)
    finally:
        begun.child.close()  # what still runs is killed


def a_zygote_that_has_grown_hands_over_and_loses_no_task(house: House) -> None:
    with _house(house, BIG - 10, 1000) as own:
        nest = _nest(own, "blues", BIG)
        go = own.layout.storage / "blues" / "go"
        wait = f"echo ready; until [ -e {go} ]; do sleep 0.05; done"
        outside = own.begin("blues", f"{wait}; echo done; exit 5")
        inside = own.begin("blues", f"{wait}; echo done; exit 6", nest=nest)
        for begun in (outside, inside):
            begun.read(b"ready")
        zygote = parent(outside.child.pid)
        until(lambda: _present_zygote(own, "blues") != zygote)
        newer = own.begin("blues", f"{wait}; echo newer")
        newer.read(b"ready")
        assert own.client.state().keys() == {"blues"}, "it is the same sandbox, under the same limits"
        go.touch()
        assert outside.end() == (5, "done")
        assert inside.end() == (6, "done")
        until(lambda: is_gone(zygote))
        assert newer.end() == (0, "newer")
        until(lambda: not own.client.state())  # what its first zygote would have tidied up goes with all of it


ALL = (
    what_is_idle_and_holds_too_much_is_gone_at_once,
    of_all_that_is_idle_the_longest_idle_goes_first,
    a_zygote_that_has_grown_hands_over_and_loses_no_task,
)
