"""What a claim is: a promise to a user, and a check that observes it from outside."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airspace.backends.airflow_rest import Airflow, Answer, Session
from airspace.demo.people import Person
from airspace.model.errors import AirspaceError

FAR_FUTURE = "2100-01-01T00:00:00Z"


@dataclass(frozen=True)
class Observation:
    """What was seen, and whether that is what was promised."""

    ok: bool
    text: str


@dataclass(frozen=True)
class Claim:
    """One promise. ``check`` looks over REST as the demo's users (and at the files that were published)."""

    id: str
    text: str
    check: Callable[[Context], Observation]


@dataclass(frozen=True)
class Facts:
    """Which runs the demo itself caused: everything else the claims find out for themselves."""

    etl_run: str = ""
    churn_run: str = ""
    dashboard_run: str = ""
    spoiled_run: str = ""
    probe_run: str = ""


@dataclass
class Context:
    """Where to look and as whom. Sessions are opened once per person."""

    airflow: Airflow
    people: Mapping[str, Person]
    storage: Path
    facts: Facts = field(default_factory=Facts)
    consents: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """(team, asset) → consumers, as the team files say."""
    _sessions: dict[str, Session] = field(default_factory=dict)

    def as_(self, name: str) -> Session:
        """The session of this person."""
        if name not in self._sessions:
            self._sessions[name] = self.airflow.sign_in(name, self.people[name].password)
        return self._sessions[name]

    def dags_of(self, team: str) -> set[str]:
        """The team's Dags, from the admin's point of view: what members' views are compared with."""
        return {dag.dag_id for dag in self.as_("admin").dags(bundle=team)}

    def dags_for(self, name: str) -> set[str]:
        """The Dags of all teams of which this person is a member."""
        return {dag_id for team in self.people[name].teams for dag_id in self.dags_of(team)}

    def try_trigger(self, name: str, dag_id: str) -> Answer:
        """Trigger a run that will not start in anybody's lifetime, and take it back: harmless when it succeeds."""
        run_id = f"airspace-probe-{name}-{secrets.token_hex(4)}"
        body = {"logical_date": None, "run_after": FAR_FUTURE, "dag_run_id": run_id}
        answer = self.as_(name).ask("POST", f"/dags/{dag_id}/dagRuns", body)
        if answer.ok:
            self.as_("admin").call("DELETE", f"/dags/{dag_id}/dagRuns/{run_id}")
        return answer


def visible(session: Session, kind: str) -> set[str]:
    """What a listing of connections, variables or pools shows; being refused the listing is seeing nothing."""
    answer = session.ask("GET", f"/{kind}", limit=1)
    return set() if answer.status in (403, 404) else set(session.names(kind))


def value_of(session: Session, variable: str) -> str:
    """A variable's value; nothing where it is not shown, or there is none."""
    answer = session.ask("GET", f"/variables/{variable}")
    return str(answer.body["value"]) if answer.ok else ""


class Findings:
    """Collects what a check sees; the observation names everything that is not as promised, not only the first."""

    def __init__(self) -> None:
        self._seen: list[str] = []
        self._wrong: list[str] = []

    def note(self, seen: str) -> None:
        """Something worth telling that cannot be wrong."""
        self._seen.append(seen)

    def expect(self, holds: bool, seen: str) -> None:
        """``seen`` is what was observed, in words that make sense either way."""
        (self._seen if holds else self._wrong).append(seen)

    def same(self, found: object, wanted: object, what: str) -> None:
        """Both must be equal."""
        short = len(found) if isinstance(found, (set, list, dict)) else found
        self.expect(found == wanted, f"{what}: {short}" if found == wanted else f"{what}: {found}, expected {wanted}")

    def status(self, answer: Answer, wanted: int | tuple[int, ...], what: str) -> None:
        """The call must have ended with this HTTP status."""
        allowed = (wanted,) if isinstance(wanted, int) else wanted
        holds = answer.status in allowed
        told = "" if holds else f", expected {' or '.join(map(str, allowed))} ({answer.words})"
        self.expect(holds, f"{what} → {answer.status}{told}")

    def observation(self) -> Observation:
        """The verdict. A check that looked at nothing has shown nothing."""
        if self._wrong:
            return Observation(False, "; ".join(self._wrong))
        return Observation(bool(self._seen), "; ".join(self._seen) or "nothing was looked at")


def verify(claim: Claim, context: Context) -> Observation:
    """Check one claim; a check that cannot be carried out is a claim that does not hold."""
    try:
        return claim.check(context)
    except AirspaceError as error:
        return Observation(False, f"could not be checked: {error.message}")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        # An answer without the fields that Airflow documents: as good as no answer.
        return Observation(False, f"could not be checked: {type(error).__name__}: {error}")
