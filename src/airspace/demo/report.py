"""What the demo found, as one document for programs and as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from rich.console import Console
from rich.table import Table

from airspace.backends.airflow_rest import Run
from airspace.demo.artifacts import Artifact
from airspace.demo.claim import Claim, Observation
from airspace.demo.people import Person
from airspace.demo.story import DA, DASHBOARD_ASSET

View = Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """The end of the demo."""

    url: str
    people: Sequence[Person]
    views: Mapping[str, View]
    """person → what they see: counts over REST."""
    folders: Mapping[str, Path]
    runs: Mapping[str, Run]
    """team → the run that succeeded."""
    spoiled: Run | None
    artifacts: Sequence[Artifact]
    storage: Path | None
    dashboard: Path | None
    results: Sequence[tuple[Claim, Observation]]
    seconds_to_ready: float
    seconds_total: float

    @property
    def ok(self) -> bool:
        """Whether every claim holds."""
        return bool(self.results) and all(observation.ok for _, observation in self.results)

    def to_json(self) -> dict[str, Any]:
        """The document of ``airspace demo --json``."""
        return {
            "url": self.url,
            "users": [_user(person, self.views.get(person.name, {})) for person in self.people],
            "teams": [{"name": team, "dags_folder": str(folder)} for team, folder in self.folders.items()],
            "runs": [_run(team, run) for team, run in self.runs.items()],
            "expected_failures": [_run("data_engineering", self.spoiled)] if self.spoiled else [],
            "artifacts": [
                {"team": a.team, "name": a.name, "uri": a.uri, "rows": a.rows, "version": a.version}
                for a in self.artifacts
            ],
            "dashboard": self.dashboard.as_uri() if self.dashboard else None,
            "claims": [
                {"id": claim.id, "text": claim.text, "ok": seen.ok, "observed": seen.text}
                for claim, seen in self.results
            ],
            "seconds_to_ready": round(self.seconds_to_ready, 2),
            "seconds_total": round(self.seconds_total, 2),
        }

    def show(self, console: Console) -> None:
        """The same for people."""
        console.print()
        console.print(self._people_table())
        console.print(self._runs_table())
        console.print(self._artifacts_table())
        self._show_claims(console)
        if self.dashboard:
            console.print(f"Dashboard   {self.dashboard.as_uri()}", soft_wrap=True)
            console.print(f"  for DA    {self.url.rstrip('/')}{page_of(self.dashboard)}", soft_wrap=True)
        if self.storage:
            console.print(f"Files       {self.storage}/TEAM/published/ARTIFACT", soft_wrap=True)
        console.print(f"Airflow     {self.url}", soft_wrap=True)
        console.print("Stop        airspace down   (remove everything: airspace destroy)")
        console.print(
            f"Took {self.seconds_total:.0f} s: ready after {self.seconds_to_ready:.1f} s, then the work and the checks."
        )

    def _people_table(self) -> Table:
        table = Table(title="Who can sign in, and what they see")
        for name in ("Sign in as", "Password"):
            table.add_column(name, no_wrap=True)
        table.add_column("Is")
        table.add_column("Sees")
        for person in self.people:
            seen = sight(self.views.get(person.name, {}), len(self.folders))
            table.add_row(person.name, person.password, described(person), seen)
        return table

    def _runs_table(self) -> Table:
        table = Table(title="Runs")
        for name in ("Team", "Dag"):
            table.add_column(name, no_wrap=True)
        table.add_column("Started")
        table.add_column("Ended")
        table.add_column("Seconds", justify="right")
        for team, run in self.runs.items():
            how = "by published assets" if run.run_type == "asset_triggered" else f"by {run.user}"
            table.add_row(team, run.dag_id, how, run.state, _seconds(run))
        if bad := self.spoiled:
            how = f"by {bad.user}, spoiled batch"
            table.add_row("data_engineering", bad.dag_id, how, f"{bad.state}, as it should", _seconds(bad))
        return table

    def _artifacts_table(self) -> Table:
        table = Table("Team", "Artifact", title="Published artifacts")
        table.add_column("Rows", justify="right")
        for artifact in self.artifacts:
            rows = f"{artifact.rows:,}" if artifact.rows is not None else ""
            table.add_row(artifact.team, artifact.name, rows)
        return table

    def _show_claims(self, console: Console) -> None:
        wrong = 0
        for claim, seen in self.results:
            wrong += not seen.ok
            console.print(f"{'[green]✓[/]' if seen.ok else '[red]✗[/]'} {claim.text}")
            if not seen.ok:
                console.print(f"    observed: {seen.text}", markup=False, style="red")
        count = len(self.results)
        if wrong:
            console.print(f"[bold red]{wrong} of {count} claims do not hold.[/]")
        else:
            console.print(f"[bold]All {count} claims were verified over REST, as these users.[/]")


def described(person: Person) -> str:
    """What somebody is, in words."""
    parts = [f"{role} of {team}" for team, role in person.teams.items()]
    if person.platform_role:
        parts.append(f"platform {person.platform_role}")
    return ", ".join(parts) or "nobody's member"


def sight(view: View, all_teams: int) -> str:
    """What somebody sees, in words."""
    if not view.get("dags"):
        return "nothing"
    teams = view["teams"]
    whose = f"all {len(teams)} teams" if len(teams) == all_teams > 1 else ", ".join(teams)
    things = [_count(view[kind], kind) for kind in ("connections", "variables", "pools") if view.get(kind)]
    return ", ".join([_count(view["dags"], "Dags"), *things]) + f" of {whose}"


def _count(number: int, things: str) -> str:
    return f"{number} {things if number != 1 else things.removesuffix('s')}"


def _seconds(run: Run) -> str:
    return f"{run.seconds or 0:.1f}"


def _run(team: str, run: Run) -> dict[str, Any]:
    return {"team": team, "dag_id": run.dag_id, "run_id": run.run_id, "state": run.state, "seconds": run.seconds}


def _user(person: Person, view: View) -> dict[str, Any]:
    return {
        "name": person.name,
        "password": person.password,
        "teams": list(person.teams),
        "role": person.role,
        "platform_role": person.platform_role.value if person.platform_role else None,
        "roles": {team: role.value for team, role in person.teams.items()},
        "sees": dict(view),
    }


def page_of(dashboard: Path) -> str:
    """Where its team's members open it in the UI, below the platform's address."""
    at = f"published/{DA}/{DASHBOARD_ASSET}/{dashboard.parent.name}/{dashboard.name}"
    return f"/t/{DA}/plugin/artifacts?{urlencode({'team': DA, 'at': at}, safe='/')}"
