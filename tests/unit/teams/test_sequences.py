"""Any sequence of applies and crashes ends as the last files say, over the real steps and a small control plane."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airspace.model.home import HomeLayout
from airspace.sandbox.spec import TeamPlace
from airspace.teams import folders, journal, origins, service, steps
from airspace.teams.steps import Step, Work


class CrashError(BaseException):
    """The process ends here."""


class Ledger:
    """Keeps rows as a database does: all of an apply or nothing. Counts down to a crash at each thing it is asked."""

    def __init__(self, layout: HomeLayout) -> None:
        self.layout = layout
        self.rows: dict[str, Any] = {}
        self.places: dict[str, Any] = {}
        self.seen: dict[str, Any] = {}
        self.left: int | None = None

    def count(self) -> None:
        """One more chance to crash."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise CrashError

    def run_control(self, module: str, arguments: Sequence[str], payload: Mapping[str, Any]) -> dict[str, Any]:
        self.count()
        changed = []
        for team in payload["teams"]:
            rows = {key: team[key] for key in ("slots", "members", "folder")}
            if self.rows.get(team["name"]) != rows:
                self.rows[team["name"]] = rows
                changed.append(team["name"])
        self.count()
        changes = [
            {
                "team": team,
                "resource": "team",
                "action": "create",
                "before": None,
                "after": {},
                "cause": "file",
                "risks": [],
            }
            for team in changed
        ]
        return {"changes": changes, "running": {}, "newcomers": []}

    def settle(self, places: Sequence[TeamPlace]) -> None:
        for place in places:
            self.count()
            self.places[place.team] = place.limits.processes

    def ring(self, bundle: str) -> None:
        self.count()
        self.seen[bundle] = self.rows.get(bundle)


TEAMS = ("ops", "dev", "biz")
VERSIONS = st.dictionaries(st.sampled_from(TEAMS), st.integers(1, 3), min_size=1, max_size=3)
APPLIES = st.lists(st.tuples(st.sampled_from(["one", "two"]), VERSIONS, st.none() | st.integers(0, 24)), max_size=5)


def text(team: str, version: int) -> str:
    return f"name: {team}\nslots: {version}\nlimits: {{processes: {version * 8}}}\nmembers: {{u{version}: lead}}\n"


def attempt(directory: Path, ledger: Ledger, crash: int | None) -> None:
    """Apply, and crash at the nth chance: before a step, or in the middle of one."""
    ledger.left = crash
    listed: list[Step] = []
    for step in steps.STEPS:
        listed += [Step("chance", lambda work: work.control.count()), step]  # type: ignore[attr-defined]
    loaded = service.load(directory, ledger.layout, {})
    with suppress(CrashError), folders.apply_lock(ledger.layout):
        steps.run(Work(loaded, ledger), steps=listed)
    ledger.left = None


@pytest.mark.timeout(60)
@settings(max_examples=12, deadline=None, database=None)
@given(APPLIES)
def test_any_sequence_of_applies_and_crashes_converges(applies: list[tuple[str, dict[str, int], int | None]]) -> None:
    root = Path(tempfile.mkdtemp(prefix="asp-seq-"))
    try:
        layout = HomeLayout(root / "home")
        for folder in (layout.teams, layout.bundles, layout.dags, layout.storage, root / "one", root / "two"):
            folder.mkdir(parents=True)
        layout.manifest.write_text("{}")
        ledger = Ledger(layout)
        for name, versions, crash in applies:
            for team, version in versions.items():
                (root / name / f"{team}.yaml").write_text(text(team, version))
            attempt(root / name, ledger, crash)
        for name in ("one", "two"):
            if list((root / name).iterdir()):
                attempt(root / name, ledger, None)
        _is_as_written(root, layout, ledger)
    finally:
        shutil.rmtree(root)


def _is_as_written(root: Path, layout: HomeLayout, ledger: Ledger) -> None:
    last = {path.stem: path for name in ("one", "two") for path in sorted((root / name).glob("*.yaml"))}
    assert ledger.rows.keys() == last.keys() == folders.kept_teams(layout)
    assert journal.unfinished(layout) == {}
    sources = json.loads(layout.sources.read_text())["bundles"] if last else {}
    for team, path in last.items():
        version = ledger.rows[team]["slots"]
        assert path.read_text() == text(team, version)
        assert folders.kept_copy(layout, team).read_bytes() == path.read_bytes()
        assert ledger.places[team] == version * 8
        assert sources[team]["team"] == team
        assert origins.read(layout)[team].file == str(path)
        assert ledger.seen[team] == ledger.rows[team], "the Dag processor has heard of what is there now"
        assert (layout.bundles / team).is_dir()
    for folder in (layout.teams, layout.root):
        assert not [entry.name for entry in folder.iterdir() if entry.name.startswith(".") and entry.is_file()
                    and entry.name != ".apply.lock"]  # fmt: skip
