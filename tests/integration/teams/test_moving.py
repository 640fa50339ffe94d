"""Dags that go to another team, over a real database: what goes along, what is refused, and being cut off."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from airspace.api import Teams, TransferOptions
from airspace.backends.postgres import Cluster
from airspace.backends.sources.mirror import Mirror
from airspace.backends.warehouse import Server, drop_team
from airspace.model.errors import AirspaceError, InvalidInputError
from airspace.model.warehouse import KEY, Offer
from airspace.platform.moving import HomeCarrier
from airspace.sdk.layout import AssetLayout
from airspace.sdk.manifest import Manifest
from airspace.sdk.reading import read_published
from airspace.teams import folders, moves, moving, removal
from airspace.teams.moves import Transfer
from airspace.teams.moving import Options
from tests.conftest import PASSWORD
from tests.integration.teams.conftest import Desk
from tests.integration.teams.moving_child import ROWS
from tests.integration.teams.warm import WarmControl

pytestmark = pytest.mark.integration
CHILD = Path(__file__).with_name("moving_child.py")

OLD = """
name: old   # who had it
members: {ann: lead}
pools: {gpu: 2}
variables: {threshold: 0.7}
assets:
  numbers: {consumers: [third, new], tables: [scores, made_later]}   # goes along
  kept: {}
"""
NEW = "name: new\nmembers: {bob: lead}\npools: {gpu: 1}\n"
GOES = "import helper\nfrom airflow.sdk import DAG, Variable\nVariable.get('threshold')\n"


def rows(desk: Desk, ask: str) -> list[Any]:
    with desk.engine.connect() as db:
        return [tuple(row) for row in db.execute(text(ask)).all()]


@pytest.fixture
def warehouse(desk: Desk, postgres: Cluster) -> Iterator[Server]:
    """One of this home's own, before its teams are applied."""
    mark = secrets.token_hex(4)
    offer = Offer(str(postgres.socket_dir), database=f"w_{mark}", prefix=f"w{mark}_")
    desk.layout.warehouse.write_text(offer.text())
    desk.layout.secrets.mkdir(mode=0o700, exist_ok=True)
    (desk.layout.secrets / KEY).write_text("a key")
    made = Server(offer, postgres.url(PASSWORD, "postgres"))
    yield made
    for team in ("old", "new", "third", "parted"):
        drop_team(made, team)
    postgres.drop_database(PASSWORD, offer.database)
    with made.metadata() as cursor:
        cursor.execute(f'DROP ROLE IF EXISTS "{offer.all_teams}"')


def make_scores(warehouse: Server) -> None:
    """A table of the old team's, with a row."""
    with warehouse.warehouse() as cursor:
        owner = warehouse.offer.role("old")
        cursor.execute(f'CREATE TABLE old.scores (a serial); ALTER TABLE old.scores OWNER TO "{owner}"')
        cursor.execute("INSERT INTO old.scores DEFAULT VALUES")


def owner_of_scores(warehouse: Server) -> tuple[int, str]:
    """How many there are, and whose one is."""
    with warehouse.warehouse() as cursor:
        cursor.execute(
            "SELECT count(*), min(pg_get_userbyid(relowner)::text) FROM pg_class"
            " WHERE relname = 'scores' AND relkind = 'r'"
        )
        found: tuple[int, str] = cursor.fetchone()
        return found


def read_by_others(warehouse: Server) -> list[str]:
    """What is published."""
    with warehouse.warehouse() as cursor:
        cursor.execute("SELECT schemaname || '.' || viewname FROM pg_views WHERE schemaname ~ '__published$'")
        return [row[0] for row in cursor.fetchall()]


@pytest.fixture
def teams(desk: Desk) -> Desk:
    for name, content in (("old", OLD), ("new", NEW), ("third", "name: third\n")):
        desk.write(name, content)
    desk.apply()
    old = desk.layout.dags / "old"
    (old / "sub").mkdir()
    (old / "sub" / "goes.py").write_text(GOES)
    (old / "stays.py").write_text("import helper\n")
    (old / "helper.py").write_text("x = 1\n")
    return desk


def publish(desk: Desk, team: str, asset: str) -> Path:
    """A version, as the SDK leaves it."""
    place = AssetLayout(desk.layout.storage, team, asset)
    version = place.version("v1")
    version.mkdir(parents=True)
    (version / "data.csv").write_text("1\n")
    manifest = Manifest(team, asset, "v1", 1, "2026-01-01T00:00:00+00:00", 1, 2, (), {})
    (version / "manifest.json").write_text(manifest.to_json())
    place.current.write_text("v1")
    return place.folder


def test_a_transfer_that_is_killed_before_and_after_each_step_is_carried_on_with(
    warehouse: Server, teams: Desk
) -> None:
    layout = teams.layout
    make_scores(warehouse)
    secret = layout.storage / "third" / "secret"
    secret.write_text("of the third")
    published = publish(teams, "old", "numbers")
    (published / "away").symlink_to(secret)
    os.mkfifo(published / "pipe")

    done = subprocess.run(
        [sys.executable, CHILD, layout.root],
        env=teams.control.env | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["unread"] == []
    assert found["assets"] == {"numbers": ["third"]}
    assert found["tables"] == ["made_later", "scores"]
    assert owner_of_scores(warehouse) == (1, warehouse.offer.role("new"))
    assert read_by_others(warehouse) == ["new__published.scores"]
    with warehouse.warehouse() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ 'moving'")
        assert cursor.fetchall() == []

    assert rows(teams, "SELECT dag_id, bundle_name, is_stale FROM dag ORDER BY 1") == [
        ("goes", "new", False), ("goes_too", "new", False), ("stays", "old", False)]  # fmt: skip
    assert rows(teams, "SELECT DISTINCT dag_id, bundle_name FROM dag_version ORDER BY 1") == [
        ("goes", "new"), ("goes_too", "new"), ("stays", "old")]  # fmt: skip
    # What is to run takes the new team's slots; what is over says where it ran.
    assert rows(teams, "SELECT run_id, pool FROM task_instance WHERE dag_id='goes' ORDER BY 1, 2") == [
        ("queued", "new"), ("queued", "new.gpu"), ("success", "old"), ("success", "old.gpu")]  # fmt: skip
    assert rows(teams, "SELECT DISTINCT pool FROM task_instance WHERE dag_id='stays' ORDER BY 1") == [
        ("old",), ("old.gpu",)]  # fmt: skip
    assert rows(teams, "SELECT run_id, state FROM dag_run WHERE dag_id='goes' ORDER BY 1") == [
        ("queued", "queued"), ("success", "success")]  # fmt: skip
    assert rows(teams, "SELECT 1 FROM airspace_dag_hold") == []
    assert len(rows(teams, "SELECT 1 FROM log WHERE event='dags_transferred'")) == 1

    assert sorted(str(p.relative_to(layout.dags)) for p in layout.dags.rglob("*.py")) == [
        "new/helper.py", "new/sub/goes.py", "old/helper.py", "old/stays.py"]  # fmt: skip
    assert (layout.dags / "new/sub/goes.py").read_text() == GOES

    assert rows(teams, "SELECT team, asset, consumer FROM airspace_asset_grant") == [("new", "numbers", "third")]
    assert rows(teams, "SELECT spec->'assets'->'numbers' FROM airspace_team WHERE name='new'") == [
        ({"consumers": ["third"], "tables": ["made_later", "scores"]},)
    ]
    assert "# who had it" in (teams.directory / "old.yaml").read_text()
    assert teams.plan().changes == ()
    new = AssetLayout(layout.storage, "new", "numbers")
    assert read_published(new).ref == "new/numbers/v1"
    assert sorted(path.name for path in new.folder.iterdir()) == ["CURRENT", "v1"]
    assert not (layout.storage / "old" / "published" / "numbers").exists()
    assert secret.read_text() == "of the third"
    assert [path.name for path in layout.storage.iterdir() if path.name.startswith(".")] == []
    assert [path.name for path in layout.moving.iterdir()] == [".lock"]


def _moved_by(
    desk: Desk, dags: list[str], target: str = "new", options: Options | None = None, team: str = "old"
) -> Any:
    wanted = Transfer(team, target, dags, time.time())
    return moving.transfer(desk.control, HomeCarrier(desk.layout, desk.layout.run), wanted, options)


@pytest.fixture
def stocked(teams: Desk) -> Desk:
    with teams.engine.begin() as db:
        for statement in ROWS.split(";\n"):
            if statement.strip():
                db.execute(text(statement))
    Mirror(teams.layout.dags / "old", teams.layout.bundles / "old", None).update()
    return teams


def test_everything_that_stands_in_the_way_is_told_at_once_and_nothing_is_changed(stocked: Desk) -> None:
    stocked.write("new", "name: new\n")
    stocked.apply()
    with stocked.engine.begin() as db:
        db.execute(text("UPDATE dag_run SET state='running' WHERE dag_id='goes' AND run_id='queued'"))
        db.execute(text("INSERT INTO dag_tag (dag_id, name) VALUES ('goes', 'team:old')"))
        db.execute(
            text(
                "INSERT INTO task_outlet_asset_reference (asset_id, dag_id, task_id, created_at, updated_at)"
                " SELECT id, 'stays', 'own', now(), now() FROM asset"
            )
        )
    (stocked.layout.dags / "new" / "sub").mkdir()
    (stocked.layout.dags / "new" / "sub" / "goes.py").write_text("another")
    before = rows(stocked, "SELECT row_to_json(d)::text FROM dag d")
    with pytest.raises(InvalidInputError) as refused:
        _moved_by(stocked, ["goes", "gone", "staays"])
    for word in (
        "no Dag gone", "did you mean stays", "other Dags too: goes_too", "tag team:old", "stays too",
        "1 runs have begun", "--with-files helper.py", "has a file sub/goes.py already",
    ):  # fmt: skip
        assert word in refused.value.message, (word, refused.value.message)
    for dags, target, word in (
        (["goes"], "old", "to itself"),
        (["goes"], "nex", "did you mean new"),
        (["stays"], "third", "helper.py"),
    ):
        with pytest.raises(InvalidInputError, match=word):
            _moved_by(stocked, dags, target)
    with pytest.raises(InvalidInputError) as foreign:
        _moved_by(stocked, ["stays"], "third", team="new")
    assert "team new has no Dag stays" in foreign.value.message  # the words for one that there is not
    with (
        folders.locked_file(stocked.layout.moving / ".lock", "busy", 1.0),
        pytest.raises(AirspaceError, match="another transfer is running"),
    ):
        _moved_by(stocked, ["stays"], "third")
    assert rows(stocked, "SELECT row_to_json(d)::text FROM dag d") == before
    assert moves.begun(stocked.layout) == []
    stocked.admin("hold-team", {"team": "third", "kind": "suspended", "stage": "drain"})
    with pytest.raises(InvalidInputError, match="third is suspended"):
        _moved_by(stocked, ["stays"], "third", Options(None, ("helper.py",)))


class Fetching(WarmControl):
    """Copies a team's folder when it is rung, as the fetcher does."""

    def ring(self, bundle: str) -> None:
        if (self.layout.dags / bundle).exists():
            Mirror(self.layout.dags / bundle, self.layout.bundles / bundle, None).update()


def test_a_part_of_a_team_becomes_a_team_of_its_own(
    warehouse: Server, stocked: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HEARD_SECONDS", "FORGOTTEN_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(moving, name, 0.0)
    control = Fetching(stocked.layout, stocked.control.env, stocked.control.socket)
    teams = Teams(control, lambda: HomeCarrier(stocked.layout, stocked.layout.run))
    stocked.write("old", OLD.replace("pools:", "slots: 3\nlimits: {memory: 512M}\nwarehouse: {seconds: 60}\npools:"))
    stocked.apply()
    make_scores(warehouse)
    before = rows(stocked, "SELECT row_to_json(d)::text FROM dag d")
    for dags, into, word in (
        (["goes", "goes_too"], "third", "there is a team third already"),
        (["goes"], "parted", "other Dags too: goes_too"),
        (["goes", "goes_too"], "Parted", "no team can be called Parted"),
        (["goes", "goes_too"], "old", "to itself"),
    ):
        with pytest.raises(InvalidInputError, match=word):
            teams.split(dags, team="old", into=into)
    with pytest.raises(InvalidInputError, match="one text"):
        teams.split("goes", team="old", into="parted")
    assert [each["name"] for each in teams.list()] == ["new", "old", "third"]
    assert rows(stocked, "SELECT row_to_json(d)::text FROM dag d") == before

    how = TransferOptions(with_files=("helper.py",))
    with monkeypatch.context() as cut_off:  # after the team was made, and the tables were taken
        steps = [(name, None if name == "switch" else act) for name, act in moving.STEPS]
        cut_off.setattr(moving, "STEPS", steps)
        with pytest.raises(TypeError):
            teams.split(["goes", "goes_too"], team="old", into="parted", how=how)
    assert teams.show("parted")["members"] == [{"user": "ann", "role": "lead"}]
    assert (owner_of_scores(warehouse), read_by_others(warehouse)) == ((1, "airspace"), [])
    assert teams.cancel_transfer(["goes"]).target == "parted"
    assert owner_of_scores(warehouse) == (1, warehouse.offer.role("old"))
    assert read_by_others(warehouse) == ["old__published.scores"]
    assert (stocked.layout.dags / "old" / "sub" / "goes.py").read_text() == GOES
    done = teams.split(["goes", "goes_too"], team="old", into="parted", how=how)
    assert done.file == str(stocked.directory / "parted.yaml")
    assert (done.moved.assets, done.moved.errors) == ({"numbers": ["new", "third"]}, {})
    made = teams.show("parted")
    assert (made["slots"], made["limits"], made["variables"]) == (3, {"memory": 512 << 20}, [])
    assert sorted(made["assets"]) == ["numbers"]
    assert owner_of_scores(warehouse) == (1, warehouse.offer.role("parted"))
    assert read_by_others(warehouse) == ["parted__published.scores"]
    assert teams.show("old")["slots"] == 3
    assert rows(stocked, "SELECT dag_id FROM dag WHERE bundle_name='parted' ORDER BY 1") == [("goes",), ("goes_too",)]
    assert (stocked.layout.dags / "parted" / "sub" / "goes.py").read_text() == GOES
    assert stocked.plan().changes == ()
    found = teams.preview_transfer(["stays"], team="old", target="nex")
    assert [each.fix for each in found.problems] == ["did you mean new?"]


def test_files_that_people_move_themselves_are_waited_for_and_it_can_be_taken_back(
    stocked: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "BY_HAND_SECONDS", 0.0)
    monkeypatch.setattr(moving, "HEARD_SECONDS", 0.0)
    monkeypatch.setattr(moving, "FORGOTTEN_SECONDS", 0.0)
    own = stocked.directory / "own"
    own.mkdir()
    stocked.write("new", NEW + "dags: {folder: own}\n")
    stocked.apply()
    with pytest.raises(AirspaceError, match="still among the Dags of team old") as waiting:
        _moved_by(stocked, ["goes", "goes_too"])
    assert f"move sub/goes.py, with helper.py from {stocked.layout.dags / 'old'} to {own}" in str(waiting.value.fix)
    assert rows(stocked, "SELECT count(*) FROM airspace_dag_hold") == [(2,)]
    assert rows(stocked, "SELECT DISTINCT bundle_name FROM dag") == [("old",)]
    # Meanwhile neither team can go, and the Dags not elsewhere.
    with pytest.raises(InvalidInputError, match="on their way from team old to team new"):
        removal.remove_team(stocked.control, "new")
    with pytest.raises(InvalidInputError, match="is on its way to team new"):
        _moved_by(stocked, ["goes"], "third", Options(0.0))
    begun = moving.cancel(stocked.control, HomeCarrier(stocked.layout, stocked.layout.run), ["goes_too"])
    assert begun.dags == ["goes", "goes_too"]
    assert rows(stocked, "SELECT 1 FROM airspace_dag_hold") == []
    assert moves.begun(stocked.layout) == []

    with pytest.raises(AirspaceError, match="still among"):
        _moved_by(stocked, ["goes", "goes_too"])
    (stocked.layout.bundles / "old" / "sub" / "goes.py").unlink()
    (stocked.layout.bundles / "new" / "sub").mkdir()
    (stocked.layout.bundles / "new" / "sub" / "goes.py").write_text(GOES)
    monkeypatch.setattr(moving, "READ_SECONDS", 0.0)
    _moved_by(stocked, ["goes", "goes_too"])
    assert rows(stocked, "SELECT dag_id FROM dag WHERE bundle_name='new' ORDER BY 1") == [("goes",), ("goes_too",)]
    asked = rows(stocked, "SELECT bundle_name, relative_fileloc FROM dag_priority_parsing_request")
    assert asked == [("new", "sub/goes.py")]
    assert folders.read_sources(stocked.layout)["new"].folder == str(own)
