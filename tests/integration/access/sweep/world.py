"""A team full of every kind of thing, and the same again for somebody else.

Every text of the other team's holds the word ``zebra``, but for those that are made to collide: both teams have a run
``r1``, a tag ``common``, an asset ``common``, a file ``common.py``.
"""

from __future__ import annotations

import datetime
import json
import uuid
from pathlib import Path
from typing import Any

from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.models import Connection, Pool, Variable
from airflow.models.asset import (
    AssetActive,
    AssetAliasModel,
    AssetDagRunQueue,
    AssetEvent,
    AssetModel,
    AssetPartitionDagRun,
    AssetWatcherModel,
)
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.models.backfill import Backfill
from airflow.models.connection_test import ConnectionTestRequest
from airflow.models.dag_favorite import DagFavorite
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagwarning import DagWarning
from airflow.models.deadline import Deadline
from airflow.models.deadline_alert import DeadlineAlert
from airflow.models.errors import ParseImportError
from airflow.models.hitl import HITLDetail
from airflow.models.log import Log
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.models.team import Team
from airflow.models.trigger import Trigger
from airflow.models.xcom import XComModel
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, AssetAlias, TaskGroup
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import insert, select

from airspace.backends.tables import UserStore, members
from airspace.model.roles import PlatformRole, Role

WHEN = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
OWN, OTHER, NOBODY = "own_team", "zebra_team", None
WORD = "zebra"
BOTH = "both_lead"  # leads both teams
ROLES = {"viewer": Role.VIEWER, "operator": Role.OPERATOR, "author": Role.AUTHOR, "lead": Role.LEAD}


def people(engine: Any, team: str, prefix: str = "") -> None:
    """One member of each role."""
    store = UserStore(engine)
    for name, role in ROLES.items():
        store.add(prefix + name, None)
        with engine.begin() as connection:
            connection.execute(insert(members).values(team=team, user_name=prefix + name, role=role.value))


def platform_people(engine: Any) -> None:
    """Who holds a platform role, and who holds nothing."""
    store = UserStore(engine)
    store.add("admin", None, PlatformRole.ADMIN)
    store.add("auditor", None, PlatformRole.AUDITOR)
    store.add("support", None, PlatformRole.SUPPORT)
    store.add("nobody", None)


def lead_of(engine: Any, name: str, *teams: str) -> None:
    """Somebody who is the lead of several teams."""
    UserStore(engine).add(name, None)
    with engine.begin() as connection:
        for team in teams:
            connection.execute(insert(members).values(team=team, user_name=name, role=Role.LEAD.value))


def fill(session: Any, team: str | None, word: str, code: Path) -> None:
    """Everything that one team has; with no team, everything that is nobody's."""
    bundle = DagBundleModel(name=team or f"{word}_bundle")
    if team:
        bundle.teams.append(Team(name=team))
    session.add(bundle)
    session.flush()
    _named(session, team, word)
    for dag in _dags(word, code):
        update_dag_parsing_results_in_db(
            bundle.name, None, [LazyDeserializedDAG.from_dag(dag)], {}, None, set(), session
        )
        session.flush()
        for run_id in ("r1", "r2"):
            _run(session, dag, word, run_id)
    _assets(session, word)
    for number, file in enumerate((f"{word}_broken.py", "common.py")):
        session.add(
            ParseImportError(
                filename=file, bundle_name=bundle.name, stacktrace=f"{word} trace {number}", timestamp=WHEN
            )
        )
    session.flush()


def _named(session: Any, team: str | None, word: str) -> None:
    prefix = f"{team}." if team else f"{word}_"
    for name in ("warehouse", "spare"):
        session.add(
            Connection(
                conn_id=prefix + name,
                conn_type="http",
                host=f"{word}.example",
                login=f"{word}_login",
                password="s3cret",
                description=word,
                extra=json.dumps({word: word}),
                team_name=team,
            )
        )
        session.add(Variable(key=prefix + name, val=f"{word} value", description=word, team_name=team))
        session.add(Pool(pool=prefix + name, slots=3, description=word, include_deferred=False, team_name=team))
    if team:
        session.add(Pool(pool=team, slots=3, description=word, include_deferred=False, team_name=team))
    test = ConnectionTestRequest(connection_id=f"{prefix}tested", conn_type="http", host=word, team_name=team)
    test.token = f"{word}-token"
    session.add(test)
    session.add(Log(event=f"{word}_event", owner=f"{word}_user", extra=word))


def alias_of(word: str) -> str:
    """The alias that starts this one's Dags."""
    return "common_alias" if word == "own" else f"{word}_alias"


def _dags(word: str, code: Path) -> list[DAG]:
    common = {"owner": f"{word}_owner"}
    alias = AssetAlias(alias_of(word))
    with DAG(
        f"{word}_etl",
        schedule=[Asset(f"{word}_in"), alias],
        tags=[f"{word}_tag", "common"],
        default_args=common,
        description=word,
        doc_md=word,
        params={word: word},
    ) as etl:
        load = EmptyOperator(task_id="load", outlets=[Asset(f"{word}_asset"), Asset("common")])
        with TaskGroup("group"):
            EmptyOperator(task_id=f"{word}_step", inlets=[Asset(f"{word}_asset")]) << load
    with DAG(f"{word}_daily", schedule="@daily", start_date=WHEN, catchup=False, tags=["common"]) as daily:
        EmptyOperator(task_id="load", outlets=[Asset("common")])
    for dag, file in ((etl, f"{word}.py"), (daily, "common.py" if word != "own" else "own_daily.py")):
        dag.fileloc = str(code)
        dag.relative_fileloc = file
    return [etl, daily]


def _run(session: Any, dag: DAG, word: str, run_id: str) -> None:
    stored = SerializedDagModel.get_dag(dag.dag_id, session=session)
    assert stored is not None
    when = WHEN if run_id == "r1" else WHEN + datetime.timedelta(days=1)
    run = stored.create_dagrun(
        run_id=run_id,
        logical_date=when,
        data_interval=(when, when),
        run_after=when,
        conf={word: word},
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
        triggering_user_name=f"{word}_user",
        state=DagRunState.SUCCESS,
        session=session,
    )
    run.start_date, run.end_date, run.note = when, when, (word, f"{word}_user")
    for ti in run.task_instances:
        ti.state, ti.try_number, ti.start_date, ti.end_date = TaskInstanceState.SUCCESS, 1, when, when
        ti.hostname, ti.pool, ti.note = f"{word}.host", "own_team" if word == "own" else f"{word}_pool", word
        session.flush()
        ti.task = stored.get_task(ti.task_id)
        history = TaskInstanceHistory(ti, state="failed")
        history.task_instance_id = uuid.uuid4()
        session.add(history)
        ti.try_number = 2
        session.add(RenderedTaskInstanceFields(ti, render_templates=False, rendered_fields={"env": word}))
        session.add(_hitl(ti, word))
        at = {"dag_run_id": run.id, "dag_id": dag.dag_id, "task_id": ti.task_id, "run_id": run_id}
        session.add(XComModel(**at, key=f"{word}_key", value=json.dumps(word)))
        session.add(XComModel(**at, key="common_key", value=json.dumps(word)))
        session.add(TaskStateStoreModel(**at, key="common_key", value=json.dumps(word)))
    session.add(Log(event="trigger", owner=f"{word}_user", extra=word, dag_id=dag.dag_id, run_id=run_id))
    if run_id == "r1":
        _beside(session, dag, run, word)


def _hitl(ti: Any, word: str) -> HITLDetail:
    return HITLDetail(
        ti_id=ti.id,
        options=[word, "yes"],
        subject=f"{word}?",
        body=word,
        defaults=None,
        multiple=False,
        params={},
    )


def _beside(session: Any, dag: DAG, run: Any, word: str) -> None:
    session.add(DagWarning(dag.dag_id, "non-existent pool", f"{word} warns"))
    session.add(Backfill(dag_id=dag.dag_id, from_date=WHEN, to_date=WHEN, dag_run_conf={word: 1}, max_active_runs=1))
    for user in ("lead", BOTH, "auditor") if word == "own" else (f"{word}_lead", BOTH):
        session.add(DagFavorite(user_id=user, dag_id=dag.dag_id))
    session.add(AssetPartitionDagRun(target_dag_id=dag.dag_id, partition_key="common"))
    serialized = session.scalar(select(SerializedDagModel.id).where(SerializedDagModel.dag_id == dag.dag_id))
    alert = DeadlineAlert(
        serialized_dag_id=serialized,
        name=f"{word} alert",
        reference={"reference_type": word},
        interval={"__type": "timedelta", "__var": 60.0},
        callback_def={},
    )
    session.add(alert)
    session.flush()
    _deadline(session, dag, run, alert)


def _deadline(session: Any, dag: DAG, run: Any, alert: DeadlineAlert) -> None:
    from airflow.models.callback import Callback

    callback = Callback(prefix="deadline_alerts")
    callback.type, callback.fetch_method, callback.data = "triggerer", "import_path", {"path": "x"}
    session.add(callback)
    session.flush()
    values = {"dagrun_id": run.id, "deadline_time": WHEN, "missed": False, "callback_id": callback.id}
    session.execute(insert(Deadline).values(**values, deadline_alert_id=alert.id))


def _assets(session: Any, word: str) -> None:
    ids = dict(session.execute(select(AssetModel.name, AssetModel.id)).all())
    for asset in (f"{word}_asset", f"{word}_in", "common"):
        asset_id = ids[asset]
        if session.get(AssetActive, (asset, asset)) is None:
            session.add(AssetActive(name=asset, uri=asset))
        made = AssetEvent(
            asset_id=asset_id,
            source_dag_id=f"{word}_etl",
            source_task_id="load",
            source_run_id="r1",
            timestamp=WHEN + datetime.timedelta(minutes=len(word)),
            extra={word: word},
        )
        session.add(made)
        run = session.scalar(
            select(SerializedDagModel).where(SerializedDagModel.dag_id == f"{word}_etl")
        ).dag_model.get_last_dagrun(session=session, include_manually_triggered=True)
        made.created_dagruns.append(run)
        if asset != "common":
            later = WHEN + datetime.timedelta(hours=1)  # Airflow 3.3.2 fails over two events at the same time
            session.add(AssetEvent(asset_id=asset_id, extra={"by": word}, timestamp=later))
        if asset == f"{word}_in":
            _watched(session, asset_id, word)
        session.merge(
            AssetStateStoreModel(
                asset_id=asset_id,
                key=f"{word}_key" if asset == "common" else "common_key",
                value=json.dumps(word),
                last_updated_by_kind="task",
                last_updated_by_dag_id=f"{word}_etl",
                last_updated_by_run_id="r1",
                last_updated_by_task_id="load",
            )
        )
    for asset in (f"{word}_in", f"{word}_asset"):
        session.add(AssetDagRunQueue(asset_id=ids[asset], target_dag_id=f"{word}_etl"))
    alias = session.scalar(select(AssetAliasModel).where(AssetAliasModel.name == alias_of(word)))
    alias.assets.append(session.get(AssetModel, ids[f"{word}_asset"]))
    if word != "own":
        shared = session.scalar(select(AssetAliasModel).where(AssetAliasModel.name == "common_alias"))
        shared.assets.append(session.get(AssetModel, ids[f"{word}_asset"]))


def _watched(session: Any, asset_id: int, word: str) -> None:
    trigger = Trigger(classpath=f"{word}.Trigger", kwargs={})
    trigger.created_date = WHEN
    session.add(trigger)
    session.flush()
    session.add(AssetWatcherModel(name=f"{word}_watcher", asset_id=asset_id, trigger_id=trigger.id))
