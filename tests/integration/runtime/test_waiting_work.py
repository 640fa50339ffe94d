"""What the scheduler asks before it looks closer: never no where Airflow would find something."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path

from airspace.backends.postgres import Cluster
from tests.conftest import PASSWORD
from tests.integration.conftest import write_airflow_home

SCRIPT = """
import json
from datetime import datetime, timedelta, timezone
from airflow.models import DagModel, DagRun
from airflow.models.asset import AssetDagRunQueue, AssetModel, AssetPartitionDagRun
from airflow.models.callback import CallbackFetchMethod, ExecutorCallback
from airflow.models.connection_test import ConnectionTestRequest
from airflow.sdk.definitions.callback import SyncCallback
from airflow.settings import Session
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import select, text, update
from airspace.airflow.scheduling import waiting_work as w
from airspace.airflow.scheduling.run_order import Looks, RunSizes
from airspace.airflow.scheduling.scheduler import TeamScheduler

now, found = datetime.now(timezone.utc), {}
session = Session()


def look(name, *rows, **sql):
    # Everything is taken back after each look.
    session.execute(text("INSERT INTO dag_bundle (name) VALUES ('b')"))
    for row in rows:
        session.add(row)
        session.flush()
    for statement in sql.values():
        session.execute(text(statement))
    runs, orders = w.runs(session), w.orders(session)
    found[name] = [
        what for what, yes in (
            ("make", runs.to_make), ("start", runs.to_start), ("callbacks", orders.callbacks), ("tests", orders.tests),
            ("ready", w.ready_tasks(session)), ("ended", w.ended_since(now, [("d", "r")], session)),
        ) if yes
    ]
    session.rollback()


def dag(**fields):
    return DagModel(dag_id="d", bundle_name="b", **{"is_paused": False, "is_stale": False, **fields})


def task(state, end):
    return (
        "INSERT INTO task_instance"
        " (id, task_id, dag_id, run_id, map_index, pool, pool_slots, try_number, max_tries, state, end_date)"
        f" VALUES (gen_random_uuid(), 't', 'd', 'r', -1, 'p', 1, 0, 0, '{state}', {end})"
    )


look("nothing")
look("due", dag(next_dagrun_create_after=now - timedelta(seconds=5)))
look("later", dag(next_dagrun_create_after=now + timedelta(hours=1)))
look("paused", dag(next_dagrun_create_after=now - timedelta(seconds=5), is_paused=True))
asset = AssetModel(name="a", uri="a")
look("event", dag(), asset, sql="INSERT INTO asset_dag_run_queue (asset_id, target_dag_id, created_at)"
     " SELECT id, 'd', now() FROM asset WHERE name = 'a'")
look("partition", dag(), AssetPartitionDagRun(target_dag_id="d", partition_key="k"))
run = dict(dag_id="d", run_id="r", run_type="manual", run_after=now)
look("queued", dag(), DagRun(**run, state="queued"))
look("running", dag(), DagRun(**run, state="running"))
for state, end in (("scheduled", "NULL"), ("success", "now()"), ("upstream_failed", "now()"),
                   ("success", "now() - interval '1 hour'"), ("running", "NULL")):
    look(f"{state} {end}", dag(), DagRun(**run, state="running"), sql=task(state, end))
look("callback", sql="INSERT INTO callback (id, type, fetch_method, state, data, priority_weight, created_at)"
     " VALUES (gen_random_uuid(), 'executor', 'import_path', 'pending', '{}', 1, now())")
look("test", ConnectionTestRequest(connection_id="c", conn_type="http"))


def changed(*statements):
    # Whether a run's marks differ after this, as Airflow writes it.
    session.execute(text("INSERT INTO dag_bundle (name) VALUES ('b')"))
    session.add(dag())
    session.flush()
    session.add(DagRun(**run, state="running"))
    session.flush()
    for name, state in (("t", "NULL"), ("u", "'running'"), ("v", "'failed'")):
        session.execute(text(task("x", "NULL").replace("'x'", state).replace("'t'", f"'{name}'")))
    session.execute(text("UPDATE task_instance SET updated_at = now() - interval '1 hour'"))
    before = w.marks([("d", "r"), ("d", "other")], session)
    assert list(before) == [("d", "r")]
    for statement in statements:
        session.execute(statement)
    after = w.marks([("d", "r")], session)
    session.rollback()
    return before != after


def move(name, state, **more):
    return update(TaskInstance).where(TaskInstance.task_id == name).values(state=state, **more)


found["marks"] = {
    "nothing": changed(),
    "scheduled": changed(move("t", "scheduled")),
    "running": changed(move("t", "queued"), move("t", "running")),
    "deferred": changed(move("u", "deferred")),
    "success": changed(move("u", "success")),
    "retry": changed(move("u", "up_for_retry")),
    "reschedule": changed(move("u", "up_for_reschedule")),
    "cleared": changed(move("v", None)),
    "committed late": changed(move("u", "success", updated_at=now - timedelta(days=1))),
}


def looked_at(scheduler):
    # The runs that Airflow is left to look at.
    runs, seen = list(session.scalars(select(DagRun).order_by(DagRun.dag_id))), []
    Airflows._schedule_all_dag_runs = lambda self, guard, chosen, session: seen.extend(run.dag_id for run in chosen)
    scheduler._schedule_all_dag_runs(None, runs, session)
    return seen


Airflows = TeamScheduler.__bases__[0]
scheduler = TeamScheduler.__new__(TeamScheduler)
scheduler._in_lane, scheduler._sizes, scheduler._looks = False, RunSizes(), Looks(clock=lambda: 0.0)
session.execute(text("INSERT INTO dag_bundle (name) VALUES ('b')"))
for name in ("d", "e"):
    session.add(DagModel(dag_id=name, bundle_name="b", is_paused=False, is_stale=False))
    session.flush()
    session.add(DagRun(**{**run, "dag_id": name}, state="running"))
    session.flush()
    session.execute(text(task("running", "NULL").replace("'d'", f"'{name}'")))
found["looks"] = [looked_at(scheduler), looked_at(scheduler)]
session.execute(update(TaskInstance).where(TaskInstance.dag_id == "e").values(state="success"))
found["looks"] += [looked_at(scheduler), looked_at(scheduler)]
print(json.dumps(found))
"""


def test_what_waits_is_seen_and_nothing_else(postgres: Cluster, migrated_template: str, tmp_path: Path) -> None:
    name = f"w_{secrets.token_hex(6)}"
    postgres.create_database(PASSWORD, name, template=migrated_template)
    env = write_airflow_home(tmp_path, postgres.url(PASSWORD, name))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "nothing": [],
        "due": ["make"],
        "later": [],
        "paused": [],
        "event": ["make"],
        "partition": ["make"],
        "queued": ["start"],
        "running": [],
        "scheduled NULL": ["ready"],
        "success now()": ["ended"],
        "upstream_failed now()": ["ended"],
        "success now() - interval '1 hour'": [],
        "running NULL": [],
        "callback": ["callbacks"],
        "test": ["tests"],
        "marks": {
            "nothing": False,
            "scheduled": False,
            "running": False,
            "deferred": False,
            "success": True,
            "retry": True,
            "reschedule": True,
            "cleared": True,
            "committed late": True,
        },
        # The first time all; then none, until a task of one has ended, and that one once.
        "looks": [["d", "e"], [], ["e"], []],
    }
