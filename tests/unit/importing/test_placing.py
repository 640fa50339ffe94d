"""Whose a Dag is: the folder, the rights, a person's word; and what only hints."""

from __future__ import annotations

import pytest

from airspace.importing.deployment import Deployment, OldDag, OldUser
from airspace.importing.mapping import InvalidMapError, TeamMap, read_map
from airspace.importing.people import level, members
from airspace.importing.placing import guessed_path, place
from airspace.model.roles import Role

READ, EDIT = "can_read", "can_edit"


def placed(*dags: OldDag, team_map: TeamMap | None = None, **roles: set[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Dag → team and rule; unplaced ones → ("", reason)."""
    old = Deployment(dags=dags, roles={name: frozenset(may) for name, may in roles.items()})
    found = place(old, team_map or TeamMap(), lambda dag: guessed_path(dag, ()))
    return {each.dag.dag_id: (each.team, each.rule) for each in found.placed} | {
        each.name: ("", each.reason) for each in found.unplaced
    }


def in_folder(dag_id: str, path: str) -> OldDag:
    return OldDag(dag_id, file=f"/opt/airflow/dags/{path}")


def test_the_folder_decides_whatever_the_dag_says_of_itself() -> None:
    dag = OldDag("x", file="/opt/airflow/dags/marketing/x.py", owners=("finance",), tags=("finance",))
    assert placed(dag, finance={(READ, "DAG:x"), (EDIT, "DAG:x")}) == {"x": ("marketing", "folder")}


def test_without_a_folder_the_rights_decide_if_they_agree() -> None:
    dag = in_folder("x", "x.py")
    may = {(READ, "DAG:x"), (EDIT, "DAG:x")}
    assert placed(dag, finance_editors=may, **{"Finance Team": may}) == {"x": ("finance", "role")}
    assert placed(dag, finance=may, sales=may)["x"][0] == ""
    assert placed(dag, Op=may, Admin=may)["x"][0] == "", "everybody's roles are nobody's"


def test_owner_and_tags_only_hint() -> None:
    team, reason = placed(OldDag("x", file="/opt/airflow/dags/x.py", owners=("growth",), tags=("g1",)))["x"]
    assert team == ""
    assert "growth, g1" in reason


def test_a_person_overrules_everything() -> None:
    team_map = TeamMap(dags={"x": "one_team", "old_*": "two_team"}, folders={"bi": "insights"}, owners={"ann": "anns"})
    dags = (in_folder("x", "a_folder/x.py"), in_folder("old_y", "b/y.py"), in_folder("z", "bi/z.py"))
    assert placed(*dags, OldDag("w", owners=("ann",)), team_map=team_map) == {
        "x": ("one_team", "map"),
        "old_y": ("two_team", "map"),
        "z": ("insights", "map"),
        "w": ("anns", "map"),
    }


def test_airflow_3_bundles_and_teams() -> None:
    dags = (
        OldDag("a", path="x/a.py", bundle="sales"),
        OldDag("b", path="x/b.py", bundle="dags-folder"),
        OldDag("c", path="c.py", bundle="anything", team="ops"),
    )
    found = placed(*dags)
    assert found["a"] == ("sales", "bundle")
    assert found["c"] == ("ops", "team")
    assert found["b"][0] == "", "the folder x is no team's name"


@pytest.mark.parametrize("folder", ["bi", "..", "Ünïcode", "root", "a" * 31, "../../etc", "x\ny"])
def test_a_folder_that_is_no_team_name_is_told_and_not_used(folder: str) -> None:
    team, reason = placed(OldDag("x", path=f"{folder}/x.py"))["x"]
    assert team == ""
    assert reason


def test_two_folders_that_would_be_one_team_are_for_a_person_to_tell() -> None:
    found = placed(in_folder("a", "sales-eu/a.py"), in_folder("b", "sales_eu/b.py"), in_folder("c", "other/c.py"))
    assert found["a"][0] == found["b"][0] == ""
    assert found["c"][0] == "other"


@pytest.mark.parametrize(
    ("file", "path", "known", "expected"),
    [
        ("/opt/airflow/dags/a/x.py", None, (), "a/x.py"),
        ("/srv/code/a/x.py", None, ("a/x.py",), "a/x.py"),
        ("/srv/code/a/x.py", None, ("x.py", "a/x.py"), "a/x.py"),
        ("/srv/code/a/x.py", "a/x.py", (), "a/x.py"),
        ("/srv/code/a/x.py", None, (), None),
        ("/x/dags/../../etc/passwd", None, (), None),
        ("", "../../etc/passwd", (), None),
        ("", "/etc/passwd", (), None),
    ],
)
def test_where_a_file_lies(file: str, path: str | None, known: tuple[str, ...], expected: str | None) -> None:
    assert guessed_path(OldDag("x", file=file, path=path), frozenset(known)) == expected


def test_levels() -> None:
    def of(*permissions: tuple[str, str]) -> Role | None:
        return level(frozenset(permissions), "x")

    assert of() is None
    assert of((EDIT, "Variables"), (EDIT, "Connections"), (READ, "DAG:y")) is None
    assert of((READ, "DAG:x")) == of((READ, "DAGs")) == Role.VIEWER
    assert of((READ, "DAG:x"), (EDIT, "Variables"), (EDIT, "Connections")) == Role.VIEWER
    assert of((EDIT, "DAG:x")) == Role.OPERATOR
    assert of((EDIT, "DAG:x"), ("can_create", "Variables")) == Role.AUTHOR
    assert of((EDIT, "DAG:x"), (EDIT, "Variables"), ("can_create", "Connections")) == Role.LEAD


def test_nobody_becomes_a_member_by_rights_to_a_part() -> None:
    old = Deployment(
        users=(OldUser("ann", ("part",)), OldUser("bob", ("all",)), OldUser("cleo", ("all",), active=False)),
        roles={"part": frozenset({(EDIT, "DAG:a")}), "all": frozenset({(READ, "DAG:a"), (EDIT, "DAG:b")})},
    )
    found = members(old, {"team": ["a", "b"]}, TeamMap())
    assert found.of_team == {"team": {"bob": Role.VIEWER}}, "the least that holds for all Dags"
    assert {(each.kind, each.name) for each in found.unplaced} == {("role", "part"), ("user", "ann"), ("user", "cleo")}


def test_names_of_people() -> None:
    may = frozenset({(EDIT, "DAG:a")})
    people = (OldUser("Fay Finn", ("r",)), OldUser("Ann", ("r",)), OldUser("ann", ("r",)), OldUser("root;rm", ("r",)))
    found = members(Deployment(users=people, roles={"r": may}), {"team": ["a"]}, TeamMap(users={"Fay Finn": "fay"}))
    assert set(found.of_team["team"]) == {"fay", "Ann"}
    assert {each.name for each in found.unplaced} == {"ann", "root;rm"}


def test_standard_roles_make_nobody_a_member() -> None:
    roles = {
        "Admin": frozenset({(EDIT, "DAGs")}),
        "Op": frozenset({(EDIT, "DAGs")}),
        "Public": frozenset[tuple[str, str]](),
    }
    people = (OldUser("boss", ("Admin",)), OldUser("ops", ("Op",)), OldUser("guest", ("Public",)))
    found = members(Deployment(users=people, roles=roles), {"team": ["a"]}, TeamMap())
    assert not found.of_team
    assert {each.name for each in found.unplaced} == {"boss", "ops", "guest"}


def test_a_map_file() -> None:
    text = b"folders: {bi: insights}\nconnections: {wh: [one, two], old: [], x: one}\nusers: {A B: ab}\n"
    text = text.replace(b"one", b"one_team").replace(b"two", b"two_team")
    found = read_map(text, "map.yaml")
    assert found.connections == {"wh": ("one_team", "two_team"), "old": (), "x": ("one_team",)}
    assert (found.folders, found.users) == ({"bi": "insights"}, {"A B": "ab"})


@pytest.mark.parametrize(
    "text",
    [b"", b"[1]", b"folder: {a: b_team}", b"folders: {a: B}", b"folders: {a: [b_team]}", b"folders: 3",
     b"users: {a: 'b c'}", b"pools: {a: [x]}", b"dags: {a: a_team}\ndags: {}", b"dags: !!python/object {}", b"\xff"],
)  # fmt: skip
def test_a_map_file_that_is_wrong_is_told_with_its_place(text: bytes) -> None:
    with pytest.raises(InvalidMapError) as told:
        read_map(text, "map.yaml")
    assert told.value.problems
    assert all(problem.fix for problem in told.value.problems)
