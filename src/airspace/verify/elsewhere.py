"""Attacks that no task makes: by the callback of a Dag, by tests of connections, by looking at files and tables."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from airspace.backends.airflow_rest import Session
from airspace.verify.inside.facts import ATTACKER, CALLED, CALLED_REPORT, CONNECTION, SECRET_FILE, VICTIM, Facts
from airspace.verify.inside.runner import Result
from airspace.verify.inside.warehouse import TABLE

SURFACES = frozenset({"parsing", "callbacks", "triggers", "tests", "viewings"})
"""Those that are not attacked from a task."""
_PROBE = f"{ATTACKER}.verify_probe"
_TEST = "/connections/enqueue-test"

Wait = Callable[[str, Callable[[], bool]], None]


def called(session: Session, facts: Facts, wait: Wait) -> dict[str, Any]:
    """Let the planted Dag fail; what its callback got, as it told."""
    session.unpause(CALLED)
    session.trigger(CALLED, run_id=f"verify-called-{facts.nonce}")
    found: dict[str, Any] = {}

    def told() -> bool:
        answer = session.ask("GET", f"/variables/{ATTACKER}.{CALLED_REPORT}")
        with contextlib.suppress(ValueError, TypeError):
            found.update(json.loads(answer.body["value"]) if answer.ok else {})
        return found.get("nonce") == facts.nonce

    wait(f"the callback of {CALLED} has run", told)
    results: dict[str, Any] = json.loads(found["told"])
    return results


def tests(
    ids: Collection[str], lead: Session, outsider: Session, facts: Facts
) -> tuple[dict[str, Result], dict[str, Result]]:
    """Controls and attacks by connection tests.

    :param lead: of the victim's team; ``outsider``: of the attacker's alone
    """
    controls, attacks = {}, {}
    if "tests.victim" in ids:
        controls["tests.victim"], attacks["tests.victim"] = _queue(lead), _queue(outsider)
    if "tests.loopback" in ids:
        attacks["tests.loopback"] = _reach(outsider, facts.outside_tcp)
    return controls, attacks


def viewings(
    ids: Collection[str], lead: Session, outsider: Session, facts: Facts, storage: Path
) -> tuple[dict[str, Result], dict[str, Result]]:
    """Controls and attacks by looking at files and tables; see :func:`tests`.

    :param storage: has a folder of each team
    """
    controls, attacks = {}, {}
    for name in sorted({"viewings.foreign", "viewings.link"} & set(ids)):
        controls[name] = _shown(lead, VICTIM, f"files/{SECRET_FILE}", facts.secret)
    if "viewings.foreign" in ids:
        attacks["viewings.foreign"] = _shown(outsider, VICTIM, f"files/{SECRET_FILE}", facts.secret)
    if "viewings.link" in ids:
        planted = storage / ATTACKER / f"verify-link-{facts.nonce}"
        planted.symlink_to(storage / VICTIM / SECRET_FILE)
        try:
            attacks["viewings.link"] = _shown(outsider, ATTACKER, f"files/{planted.name}", facts.secret)
        finally:
            planted.unlink()
    if "viewings.table" in ids:
        table = f"tables/{VICTIM}/{TABLE}"
        controls["viewings.table"] = _shown(lead, VICTIM, table, facts.secret, "table")
        tries = [_shown(outsider, team, table, facts.secret, "table") for team in (ATTACKER, VICTIM)]
        attacks["viewings.table"] = max(tries, key=lambda tried: tried.outcome == "done")
    return controls, attacks


def _shown(session: Session, team: str, at: str, wanted: str, what: str = "preview") -> Result:
    answer = session.ask_pages(f"/artifacts/{team}/{what}", at=at)
    if answer.ok and wanted in str(answer.body):
        return Result("done", f"the {'table' if what == 'table' else 'file'} was shown")
    return Result("refused", f"{answer.status} {answer.words}".strip())


def _queue(session: Session) -> Result:
    body = {"connection_id": f"{VICTIM}.{CONNECTION}", "conn_type": "http", "host": "verify.invalid"}
    answer = session.ask("POST", _TEST, {**body, "team_name": VICTIM})
    said = f"{answer.status} {answer.words}".strip()
    return Result("done", "it was put into the queue") if answer.ok else Result("refused", said)


def _reach(session: Session, port: int) -> Result:
    extra = json.dumps({"disable_ssl": True, "disable_tls": True, "timeout": 2, "retry_limit": 1})
    body = {"connection_id": _PROBE, "conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    answer = session.ask("POST", "/connections/test", {**body, "team_name": ATTACKER})
    if not answer.ok:
        return Result("unshown", f"{answer.status} {answer.words}".strip())
    message = str(answer.body["message"])
    if any(word in message.lower() for word in ("refused", "unreachable")):
        return Result("refused", message[:200])
    return Result("done", f"the test reached the port: {message}"[:200])
