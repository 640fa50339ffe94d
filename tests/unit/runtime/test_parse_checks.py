"""What a Dag file may not say, and what its author is told: every rule, with its positive control."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airspace.airflow.parsing.asset_claims import Claims, Stored
from airspace.airflow.parsing.checks import prefixing
from airspace.airflow.parsing.param_schema import is_quick
from airspace.model.limits import CodeLimits, reference
from tests.unit.runtime.untrusted import (
    LIMITS,
    NEVER,
    asset,
    document,
    heard,
    mapped,
    parsed,
    refused,
    task,
    vetted,
)


def a_dict(**items: Any) -> dict[str, Any]:
    return {"__type": "dict", "__var": items}


CONNECTION = {"__type": "connection", "__var": {"conn_id": "x"}}
GROUP = {
    "children": {"one": ["operator", "one"]},
    "expand_input": {"value": {"__type": "dict", "__var": {"y": [1] * 50}}},
}

GOOD: dict[str, Any] = {
    "a plain Dag": document(),
    "an own pool, by its short name": document(tasks=[task(pool="gpu", pool_slots=2)]),
    "an own pool, by its long name": document(tasks=[task(pool="ds.gpu")]),
    "the default pool and queue": document(tasks=[task(pool="default_pool", queue="default")]),
    "any priority": document(tasks=[task(priority_weight=10**6)]),
    "data that only looks like an object": document(
        tasks=[task(op_kwargs={"__type": "connection"}, template_fields=["op_kwargs", "bash_command"])]
    ),
    "objects in a mapping": document(
        default_args=a_dict(a={"__type": "timedelta", "__var": 3}, b=[{"__type": "set", "__var": [1]}])
    ),
    "a mapped task": document(tasks=[mapped([1, 2, 3], retry_delay={"__type": "timedelta", "__var": 30})]),
    "assets": document(timetable=heard(asset("a")), tasks=[task(outlets=[asset("b")], inlets=[asset("c")])]),
    "a tag with its own team": document(tags=["team:ds", "team", "other"]),
    "a link": document(owner_links={"me": "mailto:me@example.com"}),
    "a param": document(params=[["x", {"default": a_dict(__type="weird"), "schema": a_dict()}]]),
}  # fmt: skip

BAD: dict[str, tuple[Any, str]] = {
    # what would be built or imported in the scheduler
    "class path": (document(timetable={"__type": "os.system", "__var": {}}), "schedule-class"),
    "class path that Airflow's own prefix hides": (
        document(timetable={"__type": "airflow.timetables.base.os", "__var": {}}), "schedule-class"),
    "nested class path": (
        document(timetable={**NEVER, "__var": {"timetable": {"__type": "evil.T", "__var": {}}}}), "schedule-class"),
    "schedule that is none": (document(timetable={"x": 1}), "schedule-class"),
    "connection": (document(default_args=CONNECTION), "object"),
    "connection deep inside": (
        document(tasks=[task(executor_config={"__type": "dict", "__var": {"a": [CONNECTION]}})]), "object"),
    "exception": (document(tasks=[task(own={"__type": "airflow_exc_ser", "__var": {}})]), "object"),
    "deadline's object": (document(tasks=[task(own={"__type": "deadline_alert", "__var": {}})]), "object"),
    "object without a body": (document(default_args={"__type": "timedelta"}), "object"),
    "mapping that is no object": (document(tasks=[task(own={"a": 1})]), "object"),
    "object in a param": (document(params=[["x", {"__class": "p", "default": CONNECTION}]]), "object"),
    "weight rule": (document(tasks=[task(weight_rule="evil.Rule")]), "weight-rule"),
    "trigger rule": (document(tasks=[task(trigger_rule="whenever")]), "trigger-rule"),
    # what would break or hide something of Airflow's
    "method": (document(tasks=[task(get_dag="x")]), "reserved-field"),
    "older name of a field": (document(tasks=[task(_outlets=[])]), "reserved-field"),
    "dunder": (document(tasks=[task(__class__="x")]), "reserved-field"),
    "template of a setting": (document(tasks=[task(pool="x", template_fields=["pool"])]), "reserved-field"),
    "unknown field": (document(task_dict={}), "unknown-field"),
    "type": (document(max_active_runs="many"), "wrong-type"),
    "pool as an object": (document(tasks=[mapped([1], pool={"__type": "tuple", "__var": []})]), "wrong-type"),
    "task that is none": (document(tasks=[{"__type": "operator"}]), "shape"),
    "half a mapped task": (document(tasks=[task(partial_kwargs={"pool": "x"})]), "shape"),
    "two tasks of one name": (document(tasks=[task(), task()]), "shape"),
    "defaults for all tasks": ({**document(), "client_defaults": {"tasks": {"pool": "other"}}}, "defaults"),
    "version": ({**document(), "__version": 1}, "shape"),
    "envelope": ({**document(), "more": 1}, "shape"),
    "nothing": ({}, "shape"),
    # names and places
    "id": (document("../x"), "dag-id"),
    "long id": (document("x" * 251), "dag-id"),
    "tag of another team": (document(tags=["x", "team:de"]), "other-team"),
    "tag of a team that there is not": (document(tags=["team:nobody"]), "other-team"),
    "id of somebody else": (document("theirs"), "dag-id-taken"),
    "task id": (document(tasks=[task("a b")]), "task-id"),
    "executor": (document(tasks=[task(executor="LocalExecutor")]), "executor"),
    "executor of a mapped task": (document(tasks=[mapped([1], executor="x")]), "executor"),
    "queue": (document(tasks=[task(queue="gpu")]), "queue"),
    "user": (document(tasks=[task(run_as_user="root")]), "run-as-user"),
    "pool of another team": (document(tasks=[task(pool="de")]), "pool"),
    "pool of a mapped task": (document(tasks=[mapped([1], pool="de.gpu")]), "pool"),
    "more slots than there are": (document(tasks=[task(pool="gpu", pool_slots=3)]), "pool-slots"),
    "more slots than the team has": (document(tasks=[task(pool_slots=5)]), "pool-slots"),
    "no slots": (document(tasks=[task(pool_slots=0)]), "number"),
    "priority beyond the database": (document(tasks=[task(priority_weight=2**40)]), "number"),
    "half a retry": (document(tasks=[task(retries=0.5)]), "number"),
    "script as a link": (document(owner_links={"me": "javascript:alert(1)"}), "owner-links"),
    "deadline": (document(deadline=[{"reference": 1}]), "deadline"),
    # sizes
    "mapped over too much": (document(tasks=[mapped(list(range(1025)))]), "map-length"),
    "mapped groups": (document(tasks=[mapped([1] * 30)], task_group=GROUP), "map-length"),
    "schedule without a pause": (document(timetable={**NEVER, "__var": {"delta": 0}}), "schedule-pace"),
    "tags": (document(tags=["x" * 101]), "tags"),
    "owners": (document(tasks=[task(owner="x" * 2001)]), "names"),
    # assets
    "asset without a name": (document(tasks=[task(outlets=[asset("")])]), "assets"),
    "asset list that is none": (document(tasks=[mapped([1], outlets=a_dict(x=asset("a")))]), "wrong-type"),
    "condition that is none": (
        document(timetable={**heard(), "__var": {"asset_condition": {"__type": "asset_any", "objects": 1}}}), "assets"),
    # what is no data
    "NUL": (document(description="a\0b"), "not-json"),
    "half a character": (document(description="\ud800"), "not-json"),
    "NaN": (document(dagrun_timeout=float("nan")), "not-json"),
    "object of Python's": (document(description=Path("/x")), "not-json"),
    "key that is no text": (document(edge_info={1: 2}), "not-json"),
    "number too large": (document(dagrun_timeout=2**64), "not-json"),
}  # fmt: skip


@pytest.mark.parametrize("what", GOOD)
def test_what_authors_write_is_let_in(what: str) -> None:
    assert refused(GOOD[what]) == ""


@pytest.mark.parametrize("what", BAD)
def test_what_nobody_needs_is_refused_by_name(what: str) -> None:
    data, rule = BAD[what]
    found = vetted(data, known=parsed(taken=frozenset({"theirs"})))
    assert found.dags == []
    assert f"[{rule}]" in found.import_errors["d.py"]
    assert "To fix: " in found.import_errors["d.py"]


def test_the_rest_of_a_file_is_kept() -> None:
    found = vetted(document("bad", tasks=[task(executor="x")]), document("good"), errors={"d.py": "older"})
    assert [dag.data["dag"]["dag_id"] for dag in found.dags] == ["good"]
    assert found.import_errors["d.py"].startswith("older\nTask 'one' of Dag 'bad' asks for the executor 'x'")
    assert not found.refused, "the file's own error keeps its Dags out of service, as in Airflow"
    assert vetted(document("bad", tasks=[task(executor="x")]), document("good")).refused


def test_an_id_is_used_once_in_a_file() -> None:
    assert "[dag-id-taken]" in refused(document(), document())


LOW = CodeLimits(
    nodes=300,
    depth=20,
    text_chars=50,
    dags_per_file=3,
    dags_per_team=2,
    tasks_per_dag=5,
    graph_work=8,
    instances_per_run=6,
    assets_per_dag=1,
)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (document(edge_info={str(n): {} for n in range(300)}), "size-nodes"),
        (document(description="x" * 51), "size-text"),
        (document(tasks=[task(str(n)) for n in range(6)]), "many-tasks"),
        (document(tasks=[task(str(n), downstream_task_ids=["a", "b", "c"]) for n in range(3)]), "many-edges"),
        (document(tasks=[mapped([1, 2, 3]), *(task(str(n)) for n in range(4))]), "many-instances"),
        (document(timetable=heard(asset("a"), asset("b"))), "many-assets"),
    ],
)
def test_nobody_gets_more_than_their_share(data: Any, rule: str) -> None:
    assert f"[{rule}]" in refused(data, limits=LOW)
    assert refused(data) == ""


def test_a_team_has_a_bounded_number_of_dags() -> None:
    assert "[many-dags]" in refused(document(), known=parsed(other_dags=2), limits=LOW)
    assert refused(document(), known=parsed(other_dags=1), limits=LOW) == ""
    found = vetted(*(document(f"d{n}") for n in range(9)), limits=LOW)
    assert len(found.dags) == 3
    assert "[many-dags]" in found.import_errors["d.py"]


def test_priorities_may_be_many_where_nothing_is_added_up() -> None:
    tasks = [task(str(n), downstream_task_ids=["a", "b", "c"], weight_rule="absolute") for n in range(3)]
    assert refused(document(tasks=tasks), limits=LOW) == ""


def test_depth_and_cycles_end() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert "[size-depth]" in refused({"__version": 3, "dag": deep})
    round_and_round: dict[str, Any] = {}
    round_and_round["again"] = [round_and_round] * 50
    assert "[size-depth]" in refused({"__version": 3, "dag": round_and_round})
    shared: Any = []
    for _ in range(60):
        shared = [shared, shared]
    assert "[size-nodes]" in refused({"__version": 3, "dag": shared})


def test_limits_are_read_from_the_configuration_and_must_be_numbers() -> None:
    def only(value: str) -> Callable[[str, str], str | None]:
        return lambda _, key: value if key == "tasks_per_dag" else None

    assert CodeLimits.read(only("7")) == replace(LIMITS, tasks_per_dag=7)
    for value in ("0", "-1", "many", "1.5"):
        with pytest.raises(ValueError, match=r"\[airspace\] tasks_per_dag"):
            CodeLimits.read(only(value))


class TestPrefix:
    TEAMS = frozenset({"ds", "ds_lab", "de"})

    @pytest.mark.parametrize("dag_id", ["ds_x", "ds.x", "ds-x", "ds"])
    def test_own(self, dag_id: str) -> None:
        assert refused(document(dag_id), known=parsed(teams=self.TEAMS)) == ""

    @pytest.mark.parametrize("dag_id", ["x", "dsx", "de_x", "ds_lab_x", "DS_x"])
    def test_not_own(self, dag_id: str) -> None:
        assert "[dag-id-prefix]" in refused(document(dag_id), known=parsed(teams=self.TEAMS))
        assert refused(document(dag_id)) == "", "unless the platform requires it"

    def test_the_longest_name_counts(self) -> None:
        assert prefixing("ds_lab_x", self.TEAMS) == "ds_lab"


class TestSettled:
    def test_consent_is_the_owners_whatever_the_dag_says(self) -> None:
        grants = {("de", "a"): frozenset({"ds"}), ("da", "a"): frozenset({"x"}), ("ds", "b"): frozenset({"da"})}
        known = parsed(claims=Claims(grants=grants))
        said: dict[str, Any] = {
            "access_control": {"consumer_teams": ["x"], "producer_teams": ["x"], "allow_global": True}
        }
        tasks = [
            task(outlets=[asset("b", **said)]),
            mapped([1], outlets=[asset("b", **said)], inlets=[asset("a", **said)]),
        ]
        tasks[1]["__var"]["task_id"] = "two"
        (dag,) = vetted(document(timetable=heard(asset("a", **said)), tasks=tasks), known=known).dags
        body = dag.data["dag"]
        found = body["timetable"]["__var"]["asset_condition"]["objects"][0]["objects"][0]
        assert found["access_control"] == {"producer_teams": ["de"], "allow_global": False}
        made = {"producer_teams": [], "consumer_teams": ["da"], "allow_global": False}
        one, two = (each["__var"] for each in body["tasks"])
        assert one["outlets"][0]["__var"]["access_control"] == made
        assert two["partial_kwargs"]["outlets"][0]["__var"]["access_control"] == made
        assert two["partial_kwargs"]["inlets"][0]["__var"]["access_control"]["producer_teams"] == ["de"]

    def test_a_dag_lies_where_it_was_found(self) -> None:
        body = (
            vetted(document(_processor_dags_folder="/secrets", access_control={"__type": "dict", "__var": {}}))
            .dags[0]
            .data["dag"]
        )
        assert (body["fileloc"], body["relative_fileloc"]) == ("/bundles/ds/d.py", "d.py")
        assert body["_processor_dags_folder"] is None
        assert "access_control" not in body

    def test_a_path_inside_an_archive_is_kept_if_it_stays_inside(self) -> None:
        known = parsed(file=Path("/b/ds/a.zip"), rel_path="a.zip")
        good = document("good", fileloc="/b/ds/a.zip/x.py", relative_fileloc="a.zip/x.py")
        bad = document("bad", fileloc="/b/ds/a.zip/../../x.py", relative_fileloc="a.zip/x.py")
        found = [dag.data["dag"]["fileloc"] for dag in vetted(good, bad, known=known).dags]
        assert found == ["/b/ds/a.zip/x.py", "/b/ds/a.zip"]

    @pytest.mark.parametrize(("asked", "given"), [(0, 100), (5, 5), (10**6, 100)])
    def test_how_much_at_once_is_bounded(self, asked: int, given: int) -> None:
        (dag,) = vetted(document(max_active_runs=asked, max_active_tasks=10**6)).dags
        assert (dag.data["dag"]["max_active_runs"], dag.data["dag"]["max_active_tasks"]) == (given, 256)


class TestAssets:
    def claims(self, **named: str) -> Claims:
        stored = (Stored("a", "s3://a", "tables", {"k": 1}, ("de",)), Stored("mine", "s3://mine", producers=("ds",)))
        return Claims(named={name: frozenset({team}) for name, team in named.items()}, stored=stored)

    def why(self, data: Any, claims: Claims) -> str:
        return refused(data, known=parsed(claims=claims))

    @pytest.mark.parametrize("thing", [asset("a", "s3://a"), asset("a", "else"), asset("else", "s3://a")])
    def test_what_another_team_produces_is_theirs(self, thing: Any) -> None:
        assert "[asset-owner]" in self.why(document(tasks=[task(outlets=[thing])]), self.claims())

    def test_what_another_teams_file_names_is_theirs_before_it_is_produced(self) -> None:
        data = document(tasks=[task(outlets=[asset("planned")])])
        assert "[asset-owner]" in self.why(data, self.claims(planned="de"))
        assert self.why(data, self.claims(planned="ds")) == ""
        assert self.why(data, self.claims()) == ""

    def test_a_file_decides_before_who_came_first(self) -> None:
        assert self.why(document(tasks=[task(outlets=[asset("a", "s3://a")])]), self.claims(a="ds")) == ""
        assert "[asset-owner]" in self.why(
            document(tasks=[task(outlets=[asset("mine", "s3://mine")])]), self.claims(mine="de")
        )

    def test_of_two_files_the_producers_counts(self) -> None:
        claims = Claims(named={"a": frozenset({"de", "ds"})}, stored=(Stored("a", "a", producers=("de",)),))
        assert claims.owner("a") == "de"
        assert Claims(named={"a": frozenset({"de", "ds"})}).owner("a") is None

    def test_anybody_may_schedule_on_it_by_its_own_names(self) -> None:
        assert self.why(document(timetable=heard(asset("a", "s3://a"))), self.claims()) == ""
        for other in (asset("a", "s3://else"), asset("else", "s3://a")):
            assert "[asset-uri]" in self.why(document(timetable=heard(other)), self.claims())
            assert "[asset-uri]" in self.why(document(tasks=[task(inlets=[other])]), self.claims())

    def test_only_the_owner_says_what_it_is(self) -> None:
        lie = asset("a", "s3://a", group="evil", extra={"evil": 1})
        (dag,) = vetted(document(timetable=heard(lie)), known=parsed(claims=self.claims())).dags
        found = dag.data["dag"]["timetable"]["__var"]["asset_condition"]["objects"][0]["objects"][0]
        assert (found["group"], found["extra"]) == ("tables", {"k": 1})

    def test_only_the_owner_watches(self) -> None:
        watcher = {"name": "w", "trigger": {"classpath": "a.B", "kwargs": {}}}
        data = document(timetable=heard(asset("a", "s3://a", watchers=[watcher])))
        assert "[asset-watchers]" in self.why(data, self.claims())
        assert self.why(data, self.claims(a="ds")) == ""
        watcher["trigger"]["classpath"] = "a;B"  # type: ignore[index]
        data = document(timetable=heard(asset("mine", "s3://mine", watchers=[watcher])))
        assert "[assets]" in self.why(data, self.claims())

    def test_a_name_in_a_file_holds_the_same_uri_though_no_dag_produces_it(self) -> None:
        """It is fed over REST or through an alias. A URI beside the name may be anybody's word, and is not held."""
        named = {"thing": frozenset({"de"}), "evil": frozenset({"de"})}
        claims = Claims(named=named, stored=(Stored("thing", "thing"), Stored("evil", "s3://ds/gold")))
        assert "[asset-owner]" in self.why(document(tasks=[task(outlets=[asset("zzz", "thing")])]), claims)
        assert claims.displaced_by("ds", "zzz", "thing") == []
        assert self.why(document(tasks=[task(outlets=[asset("gold", "s3://ds/gold")])]), claims) == ""

    def test_who_only_heard_of_it_makes_way_for_the_owner(self) -> None:
        squatted = (Stored("new", "made-up"), Stored("other", "s3://new"), Stored("new", "s3://new"))
        claims = Claims(named={"new": frozenset({"ds"})}, stored=squatted)
        assert claims.displaced_by("ds", "new", "s3://new") == list(squatted[:2])
        assert claims.displaced_by("de", "new", "s3://new") == []


class TestErrorsAndWarnings:
    def test_warnings_are_about_own_dags_and_of_known_kinds(self) -> None:
        good = {"dag_id": "mine", "warning_type": "runtime varying value", "message": "x"}
        bad = [
            {**good, "dag_id": "theirs"},
            {**good, "warning_type": "x"},
            {**good, "more": "x"},
            {**good, "message": 1},
        ]
        assert vetted(document(), warnings=[good, *bad, None, 7]).warnings == [good]
        for nonsense in ({"a": 1}, "x", 3):
            assert vetted(document(), warnings=nonsense).warnings == []

    def test_errors_are_about_the_file_and_bounded(self) -> None:
        limits = replace(LIMITS, import_errors=3, import_error_chars=100)
        errors: dict[Any, Any] = {"other.py": "a\0b", "d.py/../x.py": "c", "d.py/in.py": "y" * 1000, "more": "z"}
        found = vetted(document(), errors=errors, limits=limits).import_errors
        assert found["d.py"] == "ab\nc"
        assert len(found["d.py/in.py"]) < 130
        assert vetted(document(), errors=[1, 2]).import_errors == {}
        assert "a dict" in vetted(document(), errors={"d.py": {"x": 1}}).import_errors["d.py"]


def test_the_settings_page_tells_the_limits_that_there_are() -> None:
    text = (Path(__file__).parents[3] / "docs" / "settings.md").read_text()
    assert reference() in text, "run: python -m airspace.model.limits, and paste it into docs/settings.md"


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "string", "pattern": "^(a+)+$"}, "could take for ever"),
        ({"type": "string", "pattern": "a+b"}, "could take for ever"),
        ({"anyOf": [{"patternProperties": {"(x|x)*$": {}}}]}, "could take for ever"),
        ({"$ref": "http://127.0.0.1:1/"}, "refers to something else"),
        ({"items": {"$dynamicRef": "file:///dev/zero"}}, "refers to something else"),
        ({"format": "regex"}, "regular expression as its value"),
        ({"type": "string", "pattern": r"^\d{4}-\d{2}-[a-z]+$", "properties": {"pattern": {"type": "string"}}}, ""),
    ],
)
def test_a_params_schema_neither_fetches_nor_freezes(schema: Any, told: str) -> None:
    encoded = {"__class": "airflow.sdk.definitions.param.Param", "default": "a", "description": None, "schema": schema}
    for data in (document(params=[["p", encoded]]), document(tasks=[task(params=[["p", encoded]])])):
        assert told in refused(data) if told else refused(data) == ""


class TestQuickPatterns:
    @pytest.mark.parametrize("pattern", ["^[a-z]+$", r"^(\d{1,3}\.){3}\d{1,3}$", "^(dev|prod)$", r"\Ax", "^(a{2}){3}$"])
    def test_quick(self, pattern: str) -> None:
        assert is_quick(pattern)

    @pytest.mark.parametrize(
        "pattern",
        [
            "^(a+)+$",
            "a+",
            "^a*b*$",
            "^(a|b)*$",
            "^(?=a)b",
            r"^(a)\1",
            "^" + "a?" * 30,
            "^(a{1,9}){1,9}$",
            "^(",
            "^a{9999}$",
        ],
    )
    def test_not_surely(self, pattern: str) -> None:
        assert not is_quick(pattern)

    @settings(max_examples=200, deadline=None)
    @given(st.from_regex(r"\A\^[ab()|*+?{},1-9]{0,14}\Z"))
    def test_what_is_called_quick_is(self, pattern: str) -> None:
        if is_quick(pattern):
            begun = time.process_time()
            for text in ("a" * 3000 + "!", "ab" * 1500 + "!", "b" * 3000):
                re.search(pattern, text)
            assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    "row",
    [
        {"source": "x", "target": "y", "label": "z", "dependency_type": "asset-alias", "dependency_id": "none-such"},
        {"source": "x", "target": "asset", "label": "z", "dependency_type": "asset", "dependency_id": "{}"},
        {"source": "x", "target": "y", "label": "z", "dependency_type": "trigger"},
        {"source": "asset:{}", "target": "y", "label": "z", "dependency_type": "trigger", "dependency_id": "t"},
        {"source": None, "target": "y", "label": "z", "dependency_type": "sensor", "dependency_id": "t"},
        {"source": "x", "target": "y", "label": "z", "dependency_type": "whatever", "dependency_id": "t"},
    ],
)
def test_a_forged_dependency_never_breaks_everybodys_graph(row: Any) -> None:
    assert "has a dependency" in refused(document(dag_dependencies=[row]))


def test_dependencies_that_airflow_writes_are_let_in() -> None:
    rows = [
        {"source": "x", "target": "y", "label": "z", "dependency_type": "trigger", "dependency_id": "t"},
        {
            "source": "x",
            "target": "asset",
            "label": "a",
            "dependency_type": "asset",
            "dependency_id": json.dumps({"name": "a", "uri": "s3://a"}),
        },
    ]
    assert refused(document(tasks=[task(outlets=[asset("a", "s3://a")])], dag_dependencies=rows)) == ""
