"""``airspace verify isolation``: plant, hold the victim's task, attack it, look, judge, take back."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airspace.backends.airflow_rest import Airflow, Session
from airspace.model.errors import AirspaceError, NotRunningError
from airspace.platform import home
from airspace.platform.service import Platform
from airspace.sandbox.spec import read_places
from airspace.verify import outside, planting
from airspace.verify.catalogue import ATTACKS, Attack, Control
from airspace.verify.inside.facts import ATTACKER, DAGS, PARSED, TASK, VICTIM, Facts
from airspace.verify.inside.runner import Result
from airspace.verify.inside.task import REPORT, STOP
from airspace.verify.judge import Machine, Verdicts, judge_all
from airspace.verify.outside import Decoys, PlatformControls, Witness, controls_outside

Tell = Callable[[str], None]
_POLL = 0.25
_SECONDS = 120.0
_EMIT = "names.asset-emit"


@dataclass(frozen=True)
class Options:
    """What may be chosen.

    :param only: surfaces; empty: all
    :param keep: leave what was planted
    """

    destructive: bool = False
    only: frozenset[str] = frozenset()
    keep: bool = False


@dataclass(frozen=True)
class Findings:
    """The end of a verify.

    :param left: what could not be taken back, in words
    """

    verdicts: Verdicts
    isolation: str
    seconds: float
    left: tuple[str, ...] = ()


def verify(platform: Platform, options: Options, tell: Tell) -> Findings:
    """Attack the running platform.

    :raises NotRunningError: it is not ready
    """
    started = time.monotonic()
    status = platform.status()
    if not status.ready:
        raise NotRunningError("the platform is not ready: nothing can be verified", fix="airspace up; airspace status")
    wanted = [attack for attack in ATTACKS if not options.only or attack.surface in options.only]
    chosen = [attack for attack in wanted if options.destructive or not attack.harmful]
    skipped = tuple(attack.id for attack in wanted if attack not in chosen)
    left: list[str] = []
    with planting.alone(platform):
        tell("plant two throwaway teams")
        try:
            secret, nonce = f"verify-{secrets.token_hex(12)}", secrets.token_hex(4)
            with Airflow(platform.url) as airflow, _decoys(platform, nonce) as decoys:
                ports = (decoys.reach, decoys.trap)
                password = planting.plant(platform, secret, ports, limited=options.destructive)
                known = Facts(nonce, str(platform.layout.root), secret, f"verify-hold-{nonce}")
                attempt = _Attempt(platform, planting.sign_in(airflow, password), decoys, known, tell)
                verdicts = attempt.run(chosen, skipped)
        finally:
            if not options.keep:
                outside.ignore_interrupts()
                tell("take back what was planted")
                left = planting.take_back(platform)
    return Findings(verdicts, status.isolation, time.monotonic() - started, tuple(left))


def _decoys(platform: Platform, nonce: str) -> Decoys:
    manifest = home.read_manifest(platform.layout)
    home_id = manifest.id if manifest else ""
    found = home.places(platform.layout, home_id).run.stat()
    return Decoys(nonce, found.st_uid, found.st_gid, home_id)


class _Attempt:
    """One verify, with everything planted."""

    def __init__(self, platform: Platform, session: Session, decoys: Decoys, facts: Facts, tell: Tell) -> None:
        self._platform, self._session, self._decoys, self._tell = platform, session, decoys, tell
        self._facts = facts
        self._witness = Witness(session, decoys, facts.nonce, platform.layout.storage)
        self._controls: dict[str, Result] = {}
        self._results: dict[str, Result] = {}

    def run(self, chosen: Collection[Attack], skipped: tuple[str, ...]) -> Verdicts:
        """Everything."""
        self._facts = outside.machine_facts(self._platform, self._decoys, self._facts)
        as_platform = PlatformControls(self._platform, _ids(chosen, Control.PLATFORM), self._facts)
        as_platform.start()
        parsed = [attack.id for attack in chosen if attack.surface == "parsing"]
        if parsed:
            planting.plant_parsed(self._platform, parsed, self._facts)
        self._tell("wait until their Dags are parsed")
        self._wait_for_dags()
        self._trigger(VICTIM, "over", {})
        emits = any(attack.id == _EMIT for attack in chosen)
        self._tell("start the victim's task, which does everything as the owner first")
        report = self._hold(chosen)
        self._facts = outside.victim_facts(self._facts, report)
        self._controls |= self._seen(outside.results(report["results"]), VICTIM)
        self._tell("do it outside of sandboxes")
        self._controls |= self._seen(controls_outside(_ids(chosen, Control.OUTSIDE), self._facts), "outside")
        self._controls |= self._seen(as_platform.results(), "platform")
        for team in (ATTACKER, VICTIM) if emits else ():
            self._trigger(team, "emit", {"part": "emit", "facts": self._facts.as_dict()})
        mild = [attack for attack in chosen if not attack.harmful and attack.surface != "parsing"]
        machine: Mapping[str, Any] = {}
        if mild:
            self._tell(f"attack: {len(mild)} attempts from a task of {ATTACKER}")
            machine = self._attack([attack.id for attack in mild if attack.id != _EMIT], "attack")
        for attack in chosen:
            if attack.harmful:
                self._tell(f"attack: {attack.what}")
                machine = self._attack([attack.id], attack.id.partition(".")[2]) or machine
        if parsed:
            self._results |= self._while_parsing()
        if emits:
            self._await_emits()
        self._release()
        rows = judge_all(chosen, self._controls, self._results, self._judged(machine))
        return Verdicts(rows, skipped)

    def _judged(self, machine: Mapping[str, Any]) -> Machine:
        layout = self._platform.layout
        manifest = home.read_manifest(layout)
        place = read_places(layout.sandboxes.read_text(encoding="utf-8")).get(ATTACKER)
        return Machine(
            walls=manifest is not None and manifest.isolation != home.NONE,
            controllers=frozenset(machine.get("controllers", ())),
            own_users=place is not None and place.uid is not None,
        )

    def _wait_for_dags(self) -> None:
        missing = set(DAGS.values())

        def parsed() -> bool:
            missing.clear()
            missing.update(set(DAGS.values()) - {dag.dag_id for dag in self._session.dags() if not dag.stale})
            return not missing

        self._wait("the planted Dags are parsed", parsed)
        planting.stop_runs(self._session)
        for dag_id in DAGS.values():
            self._session.unpause(dag_id)

    def _trigger(self, team: str, part: str, conf: Mapping[str, Any]) -> str:
        run_id = f"verify-{part}-{self._facts.nonce}"
        self._session.trigger(DAGS[team], run_id=run_id, conf=conf)
        return run_id

    def _hold(self, chosen: Collection[Attack]) -> Mapping[str, Any]:
        acts = [each for each in _ids(chosen, Control.OWNER) if each != _EMIT]
        run_id = self._trigger(VICTIM, "hold", {"part": "hold", "acts": acts, "facts": self._facts.as_dict()})
        return self._report(VICTIM, run_id)

    def _attack(self, acts: list[str], part: str) -> Mapping[str, Any]:
        run_id = self._trigger(ATTACKER, part, {"part": "attack", "acts": acts, "facts": self._facts.as_dict()})
        report = self._report(ATTACKER, run_id, may_die=len(acts) == 1)
        found = outside.results(report.get("results", {}))
        if not found:
            found = {name: Result("refused", "its whole task was ended") for name in acts}
        self._results |= self._seen(found, ATTACKER)
        return dict(report.get("machine", {}))

    def _seen(self, found: Mapping[str, Result], role: str) -> dict[str, Result]:
        """The results, those with a witness as the witness saw them."""
        looked = {attack.id for attack in ATTACKS if attack.witness}
        return {
            name: self._witness.see(name, role, result) if name in looked else result for name, result in found.items()
        }

    def _await_emits(self) -> None:
        self._controls[_EMIT] = self._emitted(VICTIM)
        self._results[_EMIT] = self._emitted(ATTACKER)

    def _emitted(self, team: str) -> Result:
        run_id = f"verify-emit-{self._facts.nonce}"
        self._wait(f"{team} has sent its report", lambda: self._session.run(DAGS[team], run_id).finished)
        state = self._session.run(DAGS[team], run_id).state
        outcome = "done" if state == "success" else "refused"
        return self._witness.see(_EMIT, team, Result(outcome, f"the task's report: {state}"))

    def _while_parsing(self) -> dict[str, Result]:
        found: dict[str, Any] = {}

        def told() -> bool:
            answer = self._session.ask("GET", f"/dags/{PARSED}")
            with contextlib.suppress(ValueError, TypeError):
                found.update(json.loads(answer.body["description"]) if answer.ok else {})
            return found.get("nonce") == self._facts.nonce

        self._wait(f"{PARSED} is parsed", told)
        return outside.results(found["results"])

    def _report(self, team: str, run_id: str, *, may_die: bool = False) -> Mapping[str, Any]:
        """What a task told by XCom."""
        path = f"/dags/{DAGS[team]}/dagRuns/{run_id}/taskInstances/{TASK}/xcomEntries/{REPORT}"
        found: list[Mapping[str, Any]] = []

        def told() -> bool:
            over = self._session.run(DAGS[team], run_id).finished
            answer = self._session.ask("GET", path, deserialize="false", stringify="false")
            if answer.ok:
                found.append(answer.body["value"])
            elif over and not may_die:
                raise AirspaceError(
                    f"the task of {team} ended without a report",
                    fix=f"read its log: {self._session.airflow.url}/dags/{DAGS[team]}/runs/{run_id}"
                    " (airspace verify isolation --keep leaves it there)",
                )
            return over or bool(found)

        self._wait(f"the task of {team} reports", told)
        return found[0] if found else {}

    def _release(self) -> None:
        """Let the victim's task end."""
        stop = self._platform.layout.storage / VICTIM / f"{STOP}-{self._facts.nonce}"
        with contextlib.suppress(OSError):
            stop.touch()
            stop.chmod(0o644)

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        until = time.monotonic() + _SECONDS
        while not done():
            if time.monotonic() > until:
                raise AirspaceError(f"gave up waiting until {what}", fix="airspace status; less $AIRSPACE_HOME/logs")
            time.sleep(_POLL)


def _ids(attacks: Iterable[Attack], control: Control) -> list[str]:
    return [attack.id for attack in attacks if attack.control is control]
