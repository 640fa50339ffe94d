"""Whatever a deployment holds, the drafts are team files, only expected files appear, and no secret is in the open."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airspace.importing.deployment import Deployment, OldConnection, OldDag, OldPool, OldUser, OldVariable
from airspace.importing.mapping import TeamMap
from airspace.importing.secrecy import parse_env
from airspace.importing.service import import_teams
from airspace.model.errors import InvalidInputError
from airspace.model.home import HomeLayout
from airspace.teams.service import load

pytestmark = pytest.mark.integration
SECRET = "tXop5q8secret"
TEXT = st.text(max_size=30) | st.sampled_from(["", "..", "a/b", "{env: X}", "a: b\n", "\x1b[31m", "`|<x>", "|"])
FOLDERS = st.sampled_from(["sales", "Sales", "sales-eu", "finance", "bi", "..", "root"])
NAMES = st.sampled_from(["wh", "WH", "a.b", "a..b", "sales.wh", "-x", "x y", "ünï", "env"]) | TEXT
EXTRAS = st.none() | st.dictionaries(
    TEXT | st.just("\ud800"), st.just(SECRET) | st.just([SECRET]) | st.integers(), max_size=3
).map(json.dumps)
USE = "wh = 1\nHook(conn_id={!r}, pool={!r})\nVariable.get({!r})\n"


@st.composite
def deployments(draw: st.DrawFn) -> Deployment:
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    dags = [
        OldDag(
            f"d{n}", file=f"/dags/{draw(FOLDERS)}/d{n}.py", source=USE.format(name, name, name), owners=(draw(TEXT),)
        )
        for n, name in enumerate(names)
    ]
    host = draw(st.sampled_from(["h", f"https://u:{SECRET}@h", "a b", ""]))
    conns = [OldConnection(name, draw(TEXT) or "http", host, password=SECRET, extra=draw(EXTRAS)) for name in names]
    variables = [
        OldVariable(name, draw(st.sampled_from(["1", "{}", "null", '"\\ud800"', '{"env": "x"}', "\0", "a\tb"])))
        for name in names
    ]
    pools = [OldPool(name, draw(st.integers(-2, 200_000))) for name in names]
    users = [OldUser(draw(TEXT), ("r",)), OldUser("ann", ("r",))]
    may = frozenset({("can_edit", f"DAG:{dag.dag_id}") for dag in dags})
    return Deployment("", tuple(dags), tuple(conns), tuple(variables), tuple(pools), tuple(users), {"r": may})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(old=deployments())
def test_drafts_are_team_files(old: Deployment) -> None:
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out"
        try:
            made = import_teams(old, None, TeamMap(), out, force=False)
        except InvalidInputError:
            assert not out.exists()
            return
        assert {path.name for path in out.iterdir()} == {
            ".env",
            "import-report.md",
            *(f"{name}.yaml" for name in made.drafts.teams),
        }
        for path in out.glob("*.[ym]*"):
            assert SECRET not in path.read_text()
        json.dumps(made.as_dict())
        loaded = load(out, HomeLayout(Path(place) / "home"), parse_env((out / ".env").read_text()))
        assert {team.file.team.name for team in loaded.teams} == set(made.drafts.teams)
