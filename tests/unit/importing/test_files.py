"""The old Dag folder as an attacker's, and the drafts that nobody's edit is lost in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airspace.importing.deployment import Deployment, OldConnection, OldDag, OldPool, OldVariable
from airspace.importing.folder import DagFolder, files_of_team, read_folder
from airspace.importing.mapping import TeamMap
from airspace.importing.records import connection, dag, each, pool, role, user
from airspace.importing.service import Imported, import_teams
from airspace.importing.usage import used_in
from airspace.model.errors import InvalidInputError

DAG = "from common.tools import x\nimport other_team.inner\nwith DAG('d'): Op(http_conn_id='wh', pool='gpu')\n"


@pytest.fixture
def old_folder(tmp_path: Path) -> DagFolder:
    root = tmp_path / "dags"
    for path, text in {
        "sales/d.py": DAG,
        "sales/lib/__init__.py": "",
        "other_team/o.py": "",
        "other_team/inner.py": "",
        "common/__init__.py": "",
        "common/tools.py": "import deep",
        "deep.py": "get_connection('far')",
        "unrelated.py": "",
        ".airflowignore": "lib/",
        ".git/config": "secret",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return read_folder(root)


def test_a_team_gets_its_folder_and_what_it_imports_but_nothing_of_others(old_folder: DagFolder) -> None:
    found, withheld = files_of_team(old_folder, {"sales/d.py"}, {"other_team/o.py"})
    assert found == {
        "sales/d.py",
        "sales/lib/__init__.py",
        "common/__init__.py",
        "common/tools.py",
        "deep.py",
        ".airflowignore",
    }
    assert withheld == ["other_team.inner"]


def test_a_folder_of_two_teams_is_nobodys_as_a_whole(old_folder: DagFolder) -> None:
    found, withheld = files_of_team(old_folder, {"other_team/o.py"}, {"other_team/inner.py"})
    assert found == {"other_team/o.py", ".airflowignore"}
    assert withheld == []


def test_links_and_devices_are_not_followed(old_folder: DagFolder, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    (old_folder.root / "sales" / "link.py").symlink_to(tmp_path / "secret")
    (old_folder.root / "sales" / "up").symlink_to(tmp_path)
    os.mkfifo(old_folder.root / "sales" / "pipe.py")
    found = read_folder(old_folder.root)
    assert not any("secret" in path or "link" in path or "pipe" in path for path in found.files)
    assert {each.name for each in found.unplaced} == {"sales/link.py", "sales/up", "sales/pipe.py"}
    (old_folder.root / "sales" / "d.py").unlink()
    (old_folder.root / "sales" / "d.py").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic"):
        found.read("sales/d.py")


@pytest.mark.parametrize(
    "source", ["(" * 5000, "x = " + "[" * 100 + "]" * 100, "\0", "def f(:", "print 'two'", "-" * 9000 + "1"]
)
def test_hostile_code_is_read_without_harm(source: str) -> None:
    used_in(source)


def test_names_in_code() -> None:
    found = used_in(
        "CONN_ID = 'a'\ndef f(conn_id='b', *, pool='p'):\n  Variable.get('v')\n  SomeHook('c')\n"
        "models.Variable.get(key='w')\n"
        "x = {'aws_conn_id': 'd', 'other': 'no'}\nt = '{{ var.value.y }} {{ var.json.get(\"z\") }} {{ conn.e.host }}'\n"
        "dict.get('no')"
    )
    assert found.connections == {"a", "b", "c", "d", "e"}
    assert found.variables == {"v", "w", "y", "z"}
    assert found.pools == {"p"}


OLD = Deployment(
    version="2.11.0",
    dags=(OldDag("d", file="/dags/sales/d.py", paused=False), OldDag("o", file="/dags/other_team/o.py")),
    connections=(
        OldConnection("wh", "http", "h", password="s3cret"),
        OldConnection("../x", "http"),
        OldConnection("far", "http"),
        OldConnection("lost", "http"),
    ),
    variables=(OldVariable("v`|<script>", "1"),),
    pools=(OldPool("gpu", 2), OldPool("default_pool", 128)),
)


def run(folder: DagFolder | None, out: Path, *, force: bool = False, team_map: TeamMap | None = None) -> Imported:
    return import_teams(OLD, folder, team_map or TeamMap(), out, force=force)


def test_what_is_written(old_folder: DagFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = run(old_folder, out)
    text = (out / "sales.yaml").read_text()
    assert text == (
        "name: sales\nconnections:\n  far:\n    type: http\n  wh:\n    type: http\n    host: h\n    password:\n"
        "      env: SECRET_SALES_WH_PASSWORD\npools:\n  gpu: 2\ndags:\n  folder: dags/sales\n"
    )
    assert (out / "dags/sales/common/tools.py").exists()
    assert not (out / "dags/sales/other_team").exists()
    assert (out / ".env").stat().st_mode & 0o777 == 0o600
    assert "s3cret" in (out / ".env").read_text()
    page = (out / "import-report.md").read_text()
    assert "s3cret" not in page + text + str(made.as_dict())
    assert "<script>" not in page
    assert "`lost`" in page
    assert "| `d` | sales | folder | running |" in page
    kinds = {(each["kind"], each["name"]) for each in made.as_dict()["not_placed"]}
    assert {("connection", "lost"), ("connection", "../x"), ("module", "other_team.inner")} <= kinds


def test_a_second_run_changes_nothing_and_edits_are_kept(old_folder: DagFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(old_folder, out)
    again = run(old_folder, out)
    assert not again.written.new
    assert not again.written.replaced
    (out / "sales.yaml").write_text("name: sales\n")
    (out / "other_team.yaml").unlink()
    with pytest.raises(InvalidInputError, match=r"sales\.yaml"):
        run(old_folder, out)
    assert not (out / "other_team.yaml").exists(), "all or nothing"
    (out / ".env").write_text("SECRET_SALES_WH_PASSWORD=newer\n")
    run(old_folder, out, force=True)
    assert "SECRET_SALES_WH_PASSWORD=newer" in (out / ".env").read_text()
    assert "connections" in (out / "sales.yaml").read_text()


def test_nothing_is_written_through_a_link(old_folder: DagFolder, tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "dags").symlink_to(elsewhere)
    with pytest.raises(InvalidInputError, match="in the way"):
        run(old_folder, out)
    assert list(elsewhere.iterdir()) == []
    (out / "dags").unlink()
    (out / ".env").symlink_to(tmp_path / "target")
    with pytest.raises(InvalidInputError, match="\\.env"):
        run(old_folder, out)
    assert not (tmp_path / "target").exists()


def test_a_map_gives_to_several_and_leaves_out(tmp_path: Path) -> None:
    team_map = TeamMap(connections={"lost": ("sales", "new_team"), "wh": ()}, pools={"gpu": ("sales",)})
    made = run(None, tmp_path / "out", team_map=team_map)
    documents = {name: draft.document for name, draft in made.drafts.teams.items()}
    assert set(documents) == {"sales", "other_team", "new_team"}
    assert "lost" in documents["new_team"]["connections"]
    assert "wh" not in documents["sales"]["connections"]
    assert documents["sales"]["pools"] == {"gpu": 2}


def test_nothing_to_draft_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no team"):
        import_teams(Deployment(), None, TeamMap(), tmp_path / "out", force=False)
    assert not (tmp_path / "out").exists()


def test_rows_that_are_none_are_counted_and_left_out() -> None:
    rows = [None, 3, {}, {"dag_id": 5}, {"dag_id": "x" * 600}, {"dag_id": "d", "tags": [{"name": 3}], "owners": 7}]
    made, bad = each(rows, dag)
    assert ([each_one.dag_id for each_one in made], bad) == (["d"], 5)
    assert each([{"name": "p", "slots": "many"}, {"name": "p", "slots": True}], pool) == ([], 2)
    assert connection({"conn_id": "c", "port": "80", "extra": "***", "password": "***"}).hidden == {"password", "extra"}
    assert connection({"conn_id": "c", "port": 99999}).port is None
    assert user({"username": "u", "roles": [{"name": "r"}]}).roles == ("r",)
    assert role({"name": "r", "actions": [{"action": {"name": "a"}, "resource": None}, 3]}) == ("r", frozenset())
