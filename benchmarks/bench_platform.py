"""``platform``: how long a start takes, and what everything weighs with how many idle teams."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from airspace.backends.airflow_rest import Airflow
from benchmarks import drive, machine, measure, summary
from benchmarks.airflow_peers import Native, Plain
from benchmarks.airspace_peer import Airspace
from benchmarks.options import Options, say
from benchmarks.peers import Peer

TIMED_TEAMS = 4  # of the sides that know teams, while starts are timed
SETTLE = 20.0
KEYS = ("ready_s", "first_success_s")
SIDES: dict[str, type[Peer]] = {"plain": Plain, "native": Native, "airspace": Airspace}


def run(options: Options) -> dict[str, Any]:
    """Measure; the document that is stored."""
    chosen = {name: kind for name, kind in SIDES.items() if name in options.sides}
    document: dict[str, Any] = {"benchmark": "platform", "quick": options.quick, "load_before": machine.load()}
    document["timed_with_teams"] = {name: 0 if kind is Plain else TIMED_TEAMS for name, kind in chosen.items()}
    document["start"] = _starts(chosen, options, document)
    document["memory"] = _memory(chosen, options)
    return document


def _starts(chosen: dict[str, type[Peer]], options: Options, document: dict[str, Any]) -> dict[str, Any]:
    raw: dict[str, dict[str, list[dict[str, Any]]]] = {
        kind: {name: [] for name in chosen} for kind in ("initialised", "from_nothing")
    }
    with ExitStack() as stack:
        peers = {name: _make(stack, name, kind, options, "start", TIMED_TEAMS) for name, kind in chosen.items()}
        document["ran_as"] = {name: peer.ran_as for name, peer in peers.items()}
        for peer in peers.values():  # not counted: warms the page cache, initialises, has the Dags known
            _timed(peer, fresh=True, what="warm-up")
        for what, fresh in (("initialised", False), ("from_nothing", True)):
            for number in range(options.repeats):
                for name, peer in peers.items():  # in turn, so that a drift of the machine meets every side
                    raw[what][name].append(_timed(peer, fresh=fresh, what=f"{what} {number + 1}/{options.repeats}"))
    found = {}
    for what, samples in raw.items():
        middle = {name: summary.medians(rows, KEYS) for name, rows in samples.items()}
        found[what] = {"samples": samples, "medians": middle, "ratios": _ratios(middle)}
    return found


def _timed(peer: Peer, *, fresh: bool, what: str) -> dict[str, Any]:
    sample = drive.start(peer, fresh=fresh).document()
    peer.stop()
    say(f"{what}: {peer.name} with {peer.teams} teams: {sample}")
    return sample


def _memory(chosen: dict[str, type[Peer]], options: Options) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, kind in chosen.items():
        found[name] = {}
        for teams in (0,) if kind is Plain else options.team_counts:
            found[name][str(teams)] = _weighed(name, kind, teams, options)
    if "airspace" in found:
        found["ratios"] = {
            f"airspace/{side}": _memory_ratios(found["airspace"], found[side])
            for side in ("plain", "native")
            if side in found
        }
    return found


def _weighed(name: str, kind: type[Peer], teams: int, options: Options) -> dict[str, Any]:
    """One deployment with so many teams, started anew after everything was set up: idle, then with one task done."""
    with ExitStack() as stack:
        peer = _make(stack, name, kind, options, f"memory-{teams}", teams)
        drive.start(peer, fresh=True)
        peer.stop()
        started = drive.start(peer, first_task=False)
        idle = _settled(peer)
        found = {"ready_s": started.ready, "idle": idle}
        if (dag_id := peer.first_dag()) is not None:
            with Airflow(peer.url) as airflow:
                drive.run(drive.signed_in(peer, airflow), dag_id)
            found["after_a_task"] = _settled(peer)
        say(
            f"memory: {name} with {teams} teams: {idle['pss_mb']:.0f} MB idle in {idle['processes']} processes,"
            f" ready after {started.ready} s"
        )
        return found


def _settled(peer: Peer) -> dict[str, Any]:
    return measure.settled(peer.memory, least=SETTLE).document()


def _memory_ratios(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, float | None]:
    def of(side: dict[str, Any], teams: str) -> float | None:
        # One that knows no teams weighs the same with any number of them.
        row = side.get(teams) or (side.get("0") if len(side) == 1 else None)
        return row["idle"]["pss_mb"] if row else None

    return {teams: summary.ratio(of(ours, teams), of(theirs, teams)) for teams in ours}


def _ratios(middle: dict[str, dict[str, float | None]]) -> dict[str, Any]:
    return summary.ratios(middle, "airspace") if "airspace" in middle else {}


def _make(stack: ExitStack, name: str, kind: type[Peer], options: Options, what: str, teams: int) -> Peer:
    build: Callable[..., Peer] = kind
    peer = build(options.scratch / f"{name}-{what}", teams=0 if kind is Plain else teams)
    stack.callback(peer.remove)
    return peer
