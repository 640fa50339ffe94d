"""The attack itself: the victim's task is held, everything is tried on it, and what came of it is looked up.

What is attacked is a :class:`Target`: a deployment in which both teams are planted.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from airspace.backends.airflow_rest import RestError, Session
from airspace.model.errors import AirspaceError
from airspace.verify import elsewhere, outside
from airspace.verify.attack import Attack, Control
from airspace.verify.catalogue import ATTACKS
from airspace.verify.inside.facts import ATTACKER, CALLED, DAGS, PARSED, TASK, VICTIM, Facts
from airspace.verify.inside.runner import Result
from airspace.verify.inside.task import REPORT, STOP
from airspace.verify.inside.triggering import FORGED, FORGED_LINE, OWN_LINE
from airspace.verify.judge import Machine, Verdicts, judge_all
from airspace.verify.outside import Decoys, PlatformControls, Witness, controls_outside

Tell = Callable[[str], None]
_POLL = 0.25
_SECONDS = 300.0
_EMIT = "names.asset-emit"


class Target(Protocol):
    """A deployment that is attacked.

    ``storage`` has a folder of each team, ``logs`` those of tasks; ``fix`` is what somebody can do when it hangs.
    """

    storage: Path
    logs: Path
    fix: str

    def facts(self, known: Facts, decoys: Decoys) -> Facts:
        """Everything about deployment and machine that an attacker could at worst know."""

    def host_pid(self, pid: int) -> int | None:
        """The victim's task, as this machine numbers it."""

    def ask_as_platform(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Have the runner do acts as the deployment's own user.

        :raises AirspaceError: it ended without an answer
        """

    def plant_parsed(self, acts: list[str], facts: Facts) -> None:
        """Give the attacker a Dag file that attacks while it is read."""

    def plant_called(self, acts: list[str], facts: Facts) -> None:
        """Give the attacker a Dag that attacks in its failure callback."""

    def machine(self, controllers: frozenset[str]) -> Machine:
        """What decides which promises hold here."""


class Attempt:
    """Hold the victim's task, attack it, look, judge: with everything planted."""

    def __init__(self, target: Target, session: Session, decoys: Decoys, facts: Facts, tell: Tell) -> None:
        self._target, self._session, self._decoys, self._tell = target, session, decoys, tell
        self._facts = facts
        self._witness = Witness(session, decoys, facts.nonce, target.storage)
        self._controls: dict[str, Result] = {}
        self._results: dict[str, Result] = {}
        self._dags = set(DAGS.values())

    def run(self, chosen: Collection[Attack], skipped: tuple[str, ...], outsider: Session | None = None) -> Verdicts:
        """Everything.

        :param outsider: a lead of the attacker's alone, for tests of connections
        """
        self._facts = self._target.facts(self._facts, self._decoys)
        as_platform = PlatformControls(self._target.ask_as_platform, _ids(chosen, Control.PLATFORM), self._facts)
        as_platform.start()
        if called := _on(chosen, "callbacks"):
            self._dags |= {CALLED}
            self._target.plant_called(called, self._facts)
        self._tell("wait until their Dags are parsed")
        self._wait_for_dags()
        self._trigger(VICTIM, "over", {})
        emits = any(attack.id == _EMIT for attack in chosen)
        self._tell("start the victim's task, which does everything as the owner first")
        report = self._hold(chosen)
        pid = self._target.host_pid(int(report["pid"]))
        self._facts = outside.victim_facts(self._facts, report, pid, self._target.logs)
        self._controls |= self._seen(outside.results(report["results"]), VICTIM)
        if parsed := _on(chosen, "parsing"):  # not before: what it is to find is there by now
            self._target.plant_parsed(parsed, self._facts)
        self._tell("do it outside of sandboxes")
        self._controls |= self._seen(controls_outside(_ids(chosen, Control.OUTSIDE), self._facts), "outside")
        self._controls |= self._seen(as_platform.results(), "platform")
        for team in (ATTACKER, VICTIM) if emits else ():
            self._trigger(team, "emit", {"part": "emit", "facts": self._facts.as_dict()})
        mild = [attack for attack in chosen if not attack.harmful and attack.surface not in elsewhere.SURFACES]
        machine: Mapping[str, Any] = {}
        if mild:
            self._tell(f"attack: {len(mild)} attempts from a task of {ATTACKER}")
            machine = self._attack([attack.id for attack in mild if attack.id != _EMIT], "attack")
        for attack in chosen:
            if attack.harmful:
                self._tell(f"attack: {attack.what}")
                machine = self._attack([attack.id], attack.id.partition(".")[2]) or machine
        self._attack_elsewhere(chosen, outsider)
        if emits:
            self._await_emits()
        self._release()
        rows = judge_all(
            chosen, self._controls, self._results, self._target.machine(frozenset(machine.get("controllers", ())))
        )
        return Verdicts(rows, skipped)

    def _attack_elsewhere(self, chosen: Collection[Attack], outsider: Session | None) -> None:
        """What no task tries: the reading of a file, a callback, a trigger, tests of connections, looking at things."""
        if _on(chosen, "parsing"):
            self._results |= self._while_parsing()
        if called := _on(chosen, "callbacks"):
            self._tell(f"attack: {len(called)} attempts from a callback of {ATTACKER}'s Dag")
            found = outside.results(elsewhere.called(self._session, self._facts, self._wait))
            self._results |= self._seen(found, ATTACKER)
        if triggers := [attack for attack in chosen if attack.surface == "triggers"]:
            self._tell(f"attack: {len(triggers)} attempts from a trigger of {ATTACKER}")
            self._from_triggers(triggers)
        if outsider is not None and (tests := _on(chosen, "tests")):
            self._tell("attack: tests of connections")
            controls, attacks = elsewhere.tests(tests, self._session, outsider, self._facts)
            self._controls |= controls
            self._results |= attacks
        if outsider is not None and (shown := _on(chosen, "viewings")):
            self._tell("attack: looking at files and tables")
            controls, attacks = elsewhere.viewings(shown, self._session, outsider, self._facts, self._target.storage)
            self._controls |= controls
            self._results |= attacks

    def _wait_for_dags(self) -> None:
        missing = set(self._dags)

        def parsed() -> bool:
            missing.clear()
            missing.update(self._dags - {dag.dag_id for dag in self._session.dags() if not dag.stale})
            return not missing

        self._wait("the planted Dags are parsed", parsed)
        stop_runs(self._session)
        for dag_id in DAGS.values():
            self._session.unpause(dag_id)

    def _trigger(self, team: str, part: str, conf: Mapping[str, Any]) -> str:
        run_id = f"verify-{part}-{self._facts.nonce}"
        self._session.trigger(DAGS[team], run_id=run_id, conf=conf)
        return run_id

    def _hold(self, chosen: Collection[Attack]) -> Mapping[str, Any]:
        apart = {*_on(chosen, "triggers"), _EMIT}  # a trigger of its own does those
        acts = [each for each in _ids(chosen, Control.OWNER) if each not in apart]
        run_id = self._trigger(VICTIM, "hold", {"part": "hold", "acts": acts, "facts": self._facts.as_dict()})
        return self._report(VICTIM, run_id)

    def _attack(self, acts: list[str], part: str) -> Mapping[str, Any]:
        self._witness.attack_begins()
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

    def _from_triggers(self, chosen: list[Attack]) -> None:
        """The victim has a trigger that waits; a second one does everything as the owner; then the attacker's does."""
        waits = self._trigger(VICTIM, "await", {"part": "await", "facts": self._facts.as_dict()})
        held: dict[str, Any] = {}

        def deferred() -> bool:
            held.update(self._instance(VICTIM, waits))
            return held.get("state") == "deferred" and bool(held.get("trigger"))

        self._wait("the victim's trigger waits", deferred)
        facts = {**self._facts.as_dict(), "victim_trigger": held["trigger"]["id"]}
        found: dict[str, dict[str, Result]] = {}
        for team, acts in ((VICTIM, _ids(chosen, Control.OWNER)), (ATTACKER, [attack.id for attack in chosen])):
            acts = [each for each in acts if team == ATTACKER or each not in FORGED]
            run_id = self._trigger(team, "trigger", {"part": "trigger", "acts": acts, "facts": facts})
            told = self._report(team, run_id)
            found[team] = self._seen(outside.results(told["results"]), team)
        self._controls |= found[VICTIM]
        self._results |= found[ATTACKER]
        # Its own event ended the victim's second task, and its own line is in that log.
        logs = {each: self._trigger_log(VICTIM, each) for each in (waits, f"verify-trigger-{self._facts.nonce}")}
        own = OWN_LINE in logs[f"verify-trigger-{self._facts.nonce}"]
        self._controls["triggers.event"] = Result("done", "its own trigger ended its task")
        self._controls["triggers.log"] = Result("done" if own else "refused", "its own line is in its log")
        state = self._instance(VICTIM, waits).get("state")
        forged = {"triggers.event": state != "deferred", "triggers.log": FORGED_LINE in logs[waits]}
        said = {"triggers.event": f"the victim's task is {state}", "triggers.log": "the line is not there"}
        for name in set(forged) & set(self._results):
            self._results[name] = Result("done" if forged[name] else "refused", said[name])

    def _instance(self, team: str, run_id: str) -> dict[str, Any]:
        answer = self._session.ask("GET", f"/dags/{DAGS[team]}/dagRuns/{run_id}/taskInstances/{TASK}")
        return dict(answer.body) if answer.ok else {}

    def _trigger_log(self, team: str, run_id: str) -> str:
        folder = self._target.logs / f"dag_id={DAGS[team]}" / f"run_id={run_id}"
        return "".join(file.read_text(errors="replace") for file in folder.glob(f"task_id={TASK}/**/*.trigger.*"))

    def _report(self, team: str, run_id: str, *, may_die: bool = False) -> Mapping[str, Any]:
        """What a task told by XCom."""
        path = f"/dags/{DAGS[team]}/dagRuns/{run_id}/taskInstances/{TASK}/xcomEntries/{REPORT}"
        found: list[Mapping[str, Any]] = []

        def told() -> bool:
            over = self._session.run(DAGS[team], run_id).finished
            answer = self._session.ask("GET", path, deserialize="false", stringify="false")
            if answer.ok:
                value = answer.body["value"]  # what a trigger ends a task with is stored as a text
                found.append(json.loads(value) if isinstance(value, str) else value)
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
        stop = self._target.storage / VICTIM / f"{STOP}-{self._facts.nonce}"
        with contextlib.suppress(OSError):
            stop.touch()
            stop.chmod(0o644)

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        until = time.monotonic() + _SECONDS
        while not done():
            if time.monotonic() > until:
                raise AirspaceError(f"gave up waiting until {what}", fix=self._target.fix)
            time.sleep(_POLL)


def stop_runs(session: Session) -> None:
    """End what an earlier attempt, or this one, left running."""
    for dag_id in DAGS.values():
        with contextlib.suppress(RestError):
            for run in session.recent_runs(dag_id, 50):
                if not run.finished:
                    session.set_run_state(dag_id, run.run_id, "failed")


def _on(attacks: Iterable[Attack], surface: str) -> list[str]:
    return [attack.id for attack in attacks if attack.surface == surface]


def _ids(attacks: Iterable[Attack], control: Control) -> list[str]:
    return [attack.id for attack in attacks if attack.control is control]
