"""What was changed elsewhere: told apart from a change of the file, put back or adopted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from airspace.api import Limits, Teams, TeamSpec
from airspace.model.change import Cause
from airspace.model.errors import AirspaceError, InvalidInputError
from airspace.model.roles import Role
from airspace.model.team import Team
from airspace.teams import authoring, folders, journal, service
from tests.integration.teams.conftest import Desk, dump

pytestmark = pytest.mark.integration

OPS = """# kept by grace
name: ops
slots: 8
members: {ada: lead, ben: author}   # people
connections:
  w: {type: postgres, host: db.example, login: ops, password: {env: OPS_PASSWORD}}
  plain: {type: http, host: a.example}
  lake: {type: aws, extra: {region: eu, key: {env: OPS_PASSWORD}}}
  hub: {uri: {env: OPS_URI}}
variables: {threshold: 0.7, word: hello, hidden: {env: OPS_PASSWORD}}
pools: {gpu: 2}
assets: {x: {consumers: [biz]}, alone: {}}
"""


@pytest.fixture
def ops(desk: Desk) -> Desk:
    """A team with everything, applied."""
    desk.environ.update(OPS_PASSWORD="s3cr3t-one", OPS_URI="http://bot:s3cr3t-hub@hub.example:1/x")
    desk.write("ops", OPS)
    desk.write("biz", "name: biz\n")
    desk.apply()
    return desk


def execute(desk: Desk, *statements: str) -> None:
    with desk.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def in_the_ui(desk: Desk, script: str) -> None:
    """Through Airflow's models, as its API does: encrypted."""
    import subprocess
    import sys

    head = (
        "from airflow import settings\nfrom airflow.models import Connection, Variable, Pool\n"
        "s = settings.get_session()()\nq = s.query\n"
    )
    command = [sys.executable, "-c", head + script + "\ns.commit()"]
    done = subprocess.run(command, env=desk.control.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def causes(outcome: Any) -> dict[str, Cause]:
    return {change.resource: change.cause for change in outcome.changes}


def test_drift_is_told_apart_from_a_change_of_the_file(ops: Desk) -> None:
    assert service.drift(ops.control).changes == ()
    in_the_ui(
        ops,
        "c = q(Connection).filter_by(conn_id='ops.w').one(); c.password = 'changed-in-the-ui'\n"
        "q(Connection).filter_by(conn_id='ops.plain').one().host = 'b.example'\n"
        "q(Variable).filter_by(key='ops.threshold').one().set_val('0.9')\n"
        "s.delete(q(Variable).filter_by(key='ops.word').one())\n"
        "q(Pool).filter_by(pool='ops').one().slots = 3",
    )
    execute(
        ops,
        "UPDATE dag_bundle SET active = false WHERE name = 'ops'",
        "UPDATE airspace_member SET role = 'viewer' WHERE user_name = 'ben'",
        "INSERT INTO airspace_member VALUES ('ops', 'eve', 'lead')",
    )
    ops.write("ops", OPS.replace("gpu: 2", "gpu: 4").replace("slots: 8", "slots: 9").replace("consumers: [biz]", ""))
    planned = ops.plan()
    assert causes(planned) == {
        "team": Cause.BOTH,
        "bundle": Cause.DRIFT,
        "member ben": Cause.DRIFT,
        "member eve": Cause.DRIFT,
        "pool gpu": Cause.FILE,
        "connection w": Cause.UNCLEAR,
        "connection plain": Cause.DRIFT,
        "variable threshold": Cause.DRIFT,
        "variable word": Cause.DRIFT,
        "asset x": Cause.FILE,
    }
    risks = {change.resource: " ".join(change.risks) for change in planned.changes}
    assert "eve loses access" in risks["member eve"]
    assert "biz loses the asset x" in risks["asset x"]
    assert "changed in place" in risks["connection plain"]
    found = service.drift(ops.control)
    assert {change.resource for change in found.changes} == {
        "team", "bundle", "member ben", "member eve", "connection plain", "variable threshold", "variable word",
    }  # fmt: skip
    assert {change.cause for change in found.changes} == {Cause.DRIFT}
    assert found.values["ops"]["connection plain"] == {"host": "b.example"}
    said = dump([planned.as_dict(), found.as_dict(), found.values])
    assert "changed-in-the-ui" not in said
    assert "s3cr3t" not in said
    ops.apply()
    assert service.drift(ops.control).changes == ()
    assert ops.plan().changes == ()


def test_what_another_version_kept_in_another_shape_is_put_right(ops: Desk) -> None:
    kept = '{"name": "ops", "assets": ["x"], "pools": [{"gpu": 2}], "connections": "w", "variables": null}'
    with ops.engine.begin() as connection:
        connection.execute(
            text("UPDATE airspace_team SET spec = cast(:kept AS json) WHERE name = 'ops'"), {"kept": kept}
        )
    assert service.drift(ops.control).unreadable == ("ops",)
    assert {change.resource for change in ops.plan().changes} == {"asset alone"}  # known by the kept file alone
    ops.apply()
    assert service.drift(ops.control).unreadable == ()
    assert ops.plan().changes == ()


def test_running_tasks_are_told_when_there_will_be_fewer_slots(ops: Desk) -> None:
    execute(
        ops,
        "ALTER TABLE task_instance DISABLE TRIGGER ALL",
        "INSERT INTO task_instance (id, task_id, dag_id, run_id, map_index, pool, pool_slots, state, try_number, "
        "queue, priority_weight, custom_operator_name, operator, unixname, executor_config) "
        "SELECT gen_random_uuid(), 't' || n, 'd', 'r', -1, 'ops', 1, 'running', 1, 'q', 1, '', '', '', '\\x'"
        " FROM generate_series(1, 5) AS n",
    )
    ops.write("ops", OPS.replace("slots: 8", "slots: 2"))
    [change] = ops.plan().changes
    assert change.risks == ("5 tasks are running, 2 slots remain: nothing new starts until enough have ended",)


def test_what_was_changed_elsewhere_is_adopted_without_secrets(ops: Desk) -> None:
    attack = json.dumps({"env": "OPS_PASSWORD"})
    in_the_ui(
        ops,
        "q(Connection).filter_by(conn_id='ops.w').one().host = 'b.example'\n"
        "q(Connection).filter_by(conn_id='ops.w').one().password = 'changed-in-the-ui'\n"
        "q(Connection).filter_by(conn_id='ops.plain').one().extra = '{\"token\": \"changed-in-the-ui\"}'\n"
        "q(Connection).filter_by(conn_id='ops.hub').one().host = 'elsewhere'\n"
        f"q(Variable).filter_by(key='ops.threshold').one().set_val('{attack}')\n"
        "q(Pool).filter_by(pool='ops').one().slots = 3\n"
        "s.delete(q(Variable).filter_by(key='ops.word').one())",
    )
    adopted = authoring.adopt(ops.control)
    after = (ops.directory / "ops.yaml").read_text()
    assert after.startswith("# kept by grace\nname: ops\nslots: 3\nmembers: {ada: lead, ben: author}")
    assert "w: {type: postgres, host: b.example, login: ops, password: {env: OPS_PASSWORD}}" in after
    assert f"threshold: '{attack}'" in after, "a value that looks like a reference stays text"
    assert "hello" not in after
    assert "in-the-ui" not in after + dump(adopted.as_dict())
    assert {change.resource for change, _ in adopted.left} == {"connection plain"}
    assert ops.plan().changes, "what is secret still differs"
    left = causes(ops.plan())
    assert left == {"connection w": Cause.UNCLEAR, "connection plain": Cause.DRIFT, "connection hub": Cause.UNCLEAR}
    ops.apply()
    assert ops.plan().changes == ()
    with ops.engine.connect() as connection:
        [(stored,)] = connection.execute(text("SELECT count(*) FROM variable WHERE key = 'ops.word'"))
    assert stored == 0


def test_members_come_and_go_in_the_file(ops: Desk) -> None:
    added = authoring.set_member(ops.control, "ops", "eve", Role.VIEWER)
    assert [(c.resource, c.after) for c in added.outcome.changes] == [("member eve", {"role": "viewer"})]
    assert added.outcome.newcomers == ("eve",)
    file = ops.directory / "ops.yaml"
    assert "members: {ada: lead, ben: author, eve: viewer} # people" in file.read_text()
    assert authoring.set_member(ops.control, "ops", "eve", Role.VIEWER).outcome.changes == ()
    removed = authoring.set_member(ops.control, "ops", "ben", None)
    assert [(c.resource, c.after) for c in removed.outcome.changes] == [("member ben", None)]
    assert ops.plan().changes == (), "secrets were left as they are, and the file is what was applied"
    for team, user, told in (
        ("opps", "ada", "no team opps"),
        ("ops", "benn", "is no member"),
        ("ops", "no name", "problem in"),
    ):
        with pytest.raises(AirspaceError, match=told):
            authoring.set_member(ops.control, team, user, Role.LEAD if " " in user else None)


def test_an_edited_file_is_not_touched(ops: Desk) -> None:
    file = ops.directory / "ops.yaml"
    file.write_text(OPS + "# mine\n")
    with pytest.raises(InvalidInputError, match="was edited and not applied"):
        authoring.set_member(ops.control, "ops", "eve", Role.VIEWER)
    assert file.read_text() == OPS + "# mine\n"
    ops.apply()
    (ops.directory / "platform.yaml").write_text("defaults: {slots: 1}\n")
    with pytest.raises(InvalidInputError, match=r"platform.yaml in .* was edited"):
        authoring.set_member(ops.control, "ops", "eve", Role.VIEWER)
    (ops.directory / "platform.yaml").unlink()
    real = file.rename(ops.directory.parent / "ops.yaml")
    file.symlink_to(real)
    with pytest.raises(InvalidInputError, match="or is a link"):
        authoring.set_member(ops.control, "ops", "eve", Role.VIEWER)
    assert real.read_text() == OPS + "# mine\n"


def test_a_refused_change_puts_the_file_back(ops: Desk) -> None:
    file = ops.directory / "ops.yaml"
    execute(ops, "UPDATE airspace_team SET spec = jsonb_set(spec::jsonb, '{assets}', '{\"x\": {}}') WHERE name = 'biz'")
    with pytest.raises(AirspaceError, match="belong to other teams"):
        authoring.set_member(ops.control, "ops", "eve", Role.VIEWER)
    assert file.read_text() == OPS
    assert journal.unfinished(ops.layout) == {}


def test_an_edit_that_was_cut_off_is_carried_on_with(ops: Desk) -> None:
    file = ops.directory / "ops.yaml"
    data = OPS.replace("ben: author", "ben: lead").encode()
    journal.begin(ops.layout, {"ops": data})
    file.write_bytes(data)
    written = authoring.set_member(ops.control, "ops", "ben", Role.LEAD)
    assert [change.resource for change in written.outcome.changes] == ["member ben"]
    assert journal.unfinished(ops.layout) == {}


def test_groups_and_defaults_are_not_edited_away(ops: Desk) -> None:
    (ops.directory / "platform.yaml").write_text(
        "groups: {night: [eve, ada]}\ndefaults: {members: {'@night': viewer}}\n"
    )
    ops.write("biz", "name: biz\n")
    ops.apply()
    with pytest.raises(InvalidInputError, match="eve is a member by the group @night"):
        authoring.set_member(ops.control, "biz", "eve", None)
    written = authoring.set_member(ops.control, "biz", "eve", Role.LEAD)
    assert [change.after for change in written.outcome.changes] == [{"role": "lead"}]
    execute(ops, "DELETE FROM airspace_member WHERE team = 'biz' AND user_name = 'ada'")
    [(change, reason)] = authoring.adopt(ops.control, frozenset({"biz"})).left
    assert (change.resource, "platform.yaml" in reason) == ("member ada", True)


def test_a_team_without_writing_a_file(ops: Desk, tmp_path: Path) -> None:
    written = authoring.add_team(Team(name="finance", members={"ada": Role.LEAD}), ops.control, {})
    file = ops.layout.team_files / "finance.yaml"
    assert written.file == str(file)
    assert (file.parent.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert file.read_text().partition("\n")[2] == "name: finance\nmembers:\n  ada: lead\n"
    assert (ops.layout.dags / "finance").is_dir()
    again = authoring.add_team(Team(name="finance", members={"ada": Role.LEAD}), ops.control, {})
    assert again.outcome.changes == ()
    with pytest.raises(InvalidInputError, match="already a file"):
        authoring.add_team(Team(name="finance"), ops.control, {})
    with pytest.raises(InvalidInputError, match=f"already a team ops; its file is {ops.directory}"):
        authoring.add_team(Team(name="ops"), ops.control, {})
    dags = tmp_path / "their_dags"
    dags.mkdir()
    audit = Team(name="audit", dags={"folder": str(dags)})
    authoring.add_team(audit, ops.control, {}, ops.directory, dags.parent)
    assert ops.apply().changes == (), "the folder that was agreed to then is agreed to now"
    execute(ops, "INSERT INTO slot_pool (pool, slots, include_deferred) VALUES ('taken', 1, false)")
    with pytest.raises(AirspaceError, match="taken by objects"):
        authoring.add_team(Team(name="taken"), ops.control, {})
    assert not (ops.layout.team_files / "taken.yaml").exists()
    assert journal.unfinished(ops.layout) == {}


def test_files_that_are_gone_are_told(ops: Desk) -> None:
    (ops.directory / "biz.yaml").unlink()
    ops.write("ops", OPS.replace("consumers: [biz]", ""))
    assert ops.plan().gone == ("biz",)
    assert ops.apply().gone == ("biz",)
    assert folders.kept_teams(ops.layout) == {"biz", "ops"}
    assert service.describe(ops.control, "biz")["file"] == str(ops.directory / "biz.yaml")


def test_the_same_from_python(ops: Desk) -> None:
    teams = Teams(ops.control)
    spec = TeamSpec(name="finance", members={"ada": Role.LEAD}, limits=Limits(memory="1G"), network=["db.example:5432"])
    assert teams.add(spec).outcome.applied
    assert teams.set_member("finance", "ben", "viewer").outcome.newcomers == ("ben",)
    assert [change.resource for change in teams.remove_member("finance", "ben").outcome.changes] == ["member ben"]
    assert teams.plan(ops.layout.team_files).changes == ()
    assert {team["name"] for team in teams.list()} == {"biz", "finance", "ops"}
    assert teams.show("finance")["limits"] == {"memory": 1024**3}
    assert teams.drift(["finance"]).changes == teams.adopt(["finance"]).adopted == ()
    with pytest.raises(ValueError, match="boss"):
        teams.set_member("finance", "ben", "boss")
