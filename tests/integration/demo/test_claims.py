"""Each promise of the demo can be broken, and then its claim says so: break one thing, see that claim go red."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import polars as pl
import pytest

from airspace.demo.claim import verify
from airspace.demo.claims import ALL
from airspace.demo.story import CHURN, DASHBOARD, ETL, LAST_FAILURE, PROBE_ASSET, PROBE_LISTENS
from tests.integration.demo.conftest import PAGE, World

pytestmark = pytest.mark.integration

Breakage = Callable[[World], AbstractContextManager[None]]


def _run(column: str, broken: str, whole: str, dag_id: str, run_id: str) -> Breakage:
    where = f"WHERE dag_id = '{dag_id}' AND run_id = '{run_id}'"
    return lambda world: world.rows(
        f"UPDATE dag_run SET {column} = '{broken}' {where}",  # noqa: S608 - our own words
        f"UPDATE dag_run SET {column} = '{whole}' {where}",  # noqa: S608
    )


def _fewer_rows(world: World) -> AbstractContextManager[None]:
    """The same number of bytes on disk is not to be had: the manifest notices first, and so does the count."""
    (place,) = world.storage.glob("*/published/user_profiles/*/part-0.parquet")
    table = pl.read_parquet(place).head(3)
    small = place.parent.parent / "small.parquet"
    table.write_parquet(small)
    content = small.read_bytes()
    small.unlink()
    return world.file("user_profiles", "part-0.parquet", content)


def _stated_rows(world: World) -> AbstractContextManager[None]:
    """The event promises more rows than there are; the file is untouched."""
    where = "WHERE source_dag_id = :dag AND extra::jsonb ->> 'uri' LIKE '%user_profiles%'"
    return world.rows(
        f"UPDATE asset_event SET extra = jsonb_set(extra::jsonb, '{{rows}}', '21') {where}",  # noqa: S608
        f"UPDATE asset_event SET extra = jsonb_set(extra::jsonb, '{{rows}}', '20') {where}",  # noqa: S608
        dag=ETL,
    )


def _move_event(world: World) -> AbstractContextManager[None]:
    """A publication by the spoiled run."""
    sets = "UPDATE asset_event SET source_run_id = :{} WHERE source_run_id = :{} AND source_dag_id = :dag"
    return world.rows(sets.format("bad", "good"), sets.format("good", "bad"), bad="spoiled-1", good="rocket-1", dag=ETL)


def _second_start(world: World) -> AbstractContextManager[None]:
    """DS's run began after the spoiled batch did."""
    sets = "UPDATE dag_run SET queued_at = queued_at {} interval '1 hour' WHERE dag_id = :dag"
    return world.rows(sets.format("+"), sets.format("-"), dag=CHURN)


def _other_word(world: World) -> AbstractContextManager[None]:
    """DE's callback told of another run, not of this one."""
    sets = "UPDATE variable SET val = replace(val, :{}, :{}) WHERE key = :key"
    run, other = "spoiled-1", "spoiled-0"
    return world.rows(sets.format("run", "other"), sets.format("other", "run"), run=run, other=other, key=LAST_FAILURE)


@contextmanager
def _foreign_listener_ran(world: World) -> Iterator[None]:
    """DA's listener has a run."""
    ana, path = world.context.as_("ana"), f"/dags/{PROBE_LISTENS['data_analytics']}/dagRuns"
    ana.call("POST", path, {"logical_date": None, "dag_run_id": "heard-too"})
    try:
        yield
    finally:
        ana.call("DELETE", f"{path}/heard-too")


def _foreign_listener_waits(world: World) -> AbstractContextManager[None]:
    """The event has been queued for DA's listener."""
    return world.rows(
        "INSERT INTO asset_dag_run_queue (asset_id, target_dag_id, created_at)"
        " SELECT id, :dag, now() FROM asset WHERE name = :asset",
        "DELETE FROM asset_dag_run_queue WHERE target_dag_id = :dag",
        dag=PROBE_LISTENS["data_analytics"],
        asset=PROBE_ASSET,
    )


def _model(auc: float, shuffled: float) -> Breakage:
    text = f'{{"auc": {auc}, "auc_shuffled_labels": {shuffled}}}'
    return lambda world: world.file("churn_predictions", "metrics.json", text.encode())


def _page(page: str) -> Breakage:
    return lambda world: world.file("dashboard", "index.html", page.encode())


def _hole(name: str) -> Breakage:
    return lambda world: world.lever(rules={"and": name})


def _platform_role(name: str, role: str | None, whole: str | None) -> Breakage:
    sets = "UPDATE airspace_user SET platform_role = :{} WHERE name = :name"
    return lambda world: world.rows(sets.format("broken"), sets.format("whole"), name=name, broken=role, whole=whole)


def _nemo_joins(world: World) -> AbstractContextManager[None]:
    add = "INSERT INTO airspace_member (team, user_name, role) VALUES ('data_science', 'nemo', 'viewer')"
    return world.rows(add, "DELETE FROM airspace_member WHERE user_name = 'nemo'")


def _one_task_failed(world: World) -> AbstractContextManager[None]:
    where = "WHERE dag_id = :dag AND task_id = 'train'"
    return world.rows(
        f"UPDATE task_instance SET state = 'failed' {where}",  # noqa: S608
        f"UPDATE task_instance SET state = 'success' {where}",  # noqa: S608
        dag=CHURN,
    )


BROKEN: list[tuple[str, str, Breakage]] = [
    ("pipelines", "a run failed", _run("state", "failed", "success", CHURN, "churn-1")),
    ("pipelines", "a task failed", _one_task_failed),
    ("asset-driven", "started by hand", _run("run_type", "manual", "asset_triggered", DASHBOARD, "dashboard-1")),
    ("artifacts", "the file has fewer rows", _fewer_rows),
    ("artifacts", "the event says more rows", _stated_rows),
    ("quality-gate", "the spoiled run went through", _run("state", "success", "failed", ETL, "spoiled-1")),
    ("quality-gate", "the spoiled run published", _move_event),
    ("quality-gate", "a consumer started", _second_start),
    ("quality-gate", "nobody was called back", _other_word),
    ("model", "it learned too little", _model(0.61, 0.5)),
    ("model", "it learns from noise", _model(0.8, 0.62)),
    ("dashboard", "it loads a script", _page(PAGE + "<script src='https://cdn.example/chart.js'></script>")),
    ("dashboard", "it loads a font", _page(PAGE + "<style>@import url(//fonts.example/a.css)</style>")),
    ("dashboard", "it has no charts", _page("<!doctype html><p>soon</p>")),
    ("consent", "another team's Dag ran", _foreign_listener_ran),
    ("consent", "another team's Dag has heard", _foreign_listener_waits),
    ("consent-view", "members see every asset", _hole("members_read_assets")),
    ("dashboard-shown", "members see every team's artifacts", _hole("members_read_artifacts")),
    ("tenant-view", "members see everything", _hole("members_read_everything")),
    ("roles-act", "viewers trigger", _hole("viewers_trigger")),
    ("roles-write", "operators write variables", _hole("operators_write")),
    ("own-objects", "leads read all connections", _hole("leads_read_connections")),
    ("support", "dora is no support", _platform_role("dora", None, "support")),
    ("no-role", "nemo has a role", _nemo_joins),
    ("no-role", "everyone lists Dags", _hole("everyone_lists_dags")),
    ("auditor", "auditors write", _hole("auditors_write")),
    ("auditor", "the auditor is nobody", _platform_role("iris", None, "auditor")),
    ("anonymous", "everyone is let in", lambda world: world.lever(everyone_is="ada")),
    ("globals", "leads write what has no team", _hole("leads_write_globals")),
]


@pytest.mark.parametrize(
    ("claim_id", "breakage"), [(c, b) for c, _, b in BROKEN], ids=[f"{c}: {t}" for c, t, _ in BROKEN]
)
def test_a_broken_promise_is_noticed(world: World, claim_id: str, breakage: Breakage) -> None:
    claim = next(claim for claim in ALL if claim.id == claim_id)
    with breakage(world):
        broken = verify(claim, world.context)
    assert not broken.ok, broken.text
    mended = verify(claim, world.context)
    assert mended.ok, mended.text


def test_every_claim_has_a_breakage() -> None:
    assert {claim_id for claim_id, _, _ in BROKEN} == {claim.id for claim in ALL}
    assert len({claim.id for claim in ALL}) == len(ALL)
