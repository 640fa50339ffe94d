"""What the pipelines did: they ran, because of each other's assets, and what they published is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from airspace.backends.airflow_rest import Run
from airspace.demo.artifacts import Artifact, problems
from airspace.demo.claim import Claim, Context, Findings, Observation, value_of
from airspace.demo.story import (
    ARTIFACTS,
    AUC,
    AUC_AT_LEAST,
    AUC_SHUFFLED,
    CHURN,
    DA,
    DASHBOARD,
    DASHBOARD_ASSET,
    DE,
    DS,
    ETL,
    LAST_FAILURE,
    MEMBER,
    METRICS_ASSET,
    METRICS_FILE,
    SHUFFLED_AT_MOST,
)
from airspace.model.errors import AirspaceError

DONE = {"success", "skipped"}
EXTERNAL = re.compile(
    r"""(?:\b(?:src|href|action|poster)\s*=\s*["']?|url\(\s*["']?|@import\s+["']?)\s*(?:https?:)?//""", re.I
)
CHART = re.compile(r"<svg\b|<canvas\b|<img\b[^>]*src\s*=\s*[\"']data:image/", re.I)


def runs_of(context: Context) -> dict[str, Run]:
    """The three successful runs of the story by team, each read by a member of that team."""
    facts = context.facts
    wanted = {DE: (ETL, facts.etl_run), DS: (CHURN, facts.churn_run), DA: (DASHBOARD, facts.dashboard_run)}
    return {team: context.as_(MEMBER[team]).run(dag_id, run_id) for team, (dag_id, run_id) in wanted.items()}


def artifacts_of(context: Context) -> list[Artifact]:
    """Everything that the three runs published, as their events state it, each read by a member of its team."""
    found = []
    for team, run in runs_of(context).items():
        session = context.as_(MEMBER[team])
        events = session.asset_events(source_dag_id=run.dag_id, source_run_id=run.run_id)
        found += [Artifact.of(team, event) for event in sorted(events, key=lambda event: event.event_id)]
    return found


def pipelines_succeeded(context: Context) -> Observation:
    """All three pipelines ended well, to the last task."""
    found = Findings()
    for team, run in runs_of(context).items():
        tasks = context.as_(MEMBER[team]).task_instances(run.dag_id, run.run_id)
        wrong = {task.task_id: task.state for task in tasks if task.state not in DONE}
        found.expect(run.state == "success", f"{run.dag_id}: {run.state}")
        found.expect(bool(tasks) and not wrong, f"{len(tasks)} tasks" + (f", of which {wrong}" if wrong else ""))
    return found.observation()


def started_by_assets(context: Context) -> Observation:
    """DS and DA started because DE (and DS) published, not by clock or hand."""
    found = Findings()
    runs = runs_of(context)
    published = {team: context.as_(MEMBER[team]).published_by(run.dag_id, run.run_id) for team, run in runs.items()}
    for team, sources in ((DS, (DE,)), (DA, (DE, DS))):
        run = runs[team]
        found.expect(run.run_type == "asset_triggered", f"{run.dag_id} is {run.run_type}")
        # A consumer is not told whose run published: the numbers of the events tie the two ends together.
        heard = context.as_(MEMBER[team]).heard_by(run.dag_id, run.run_id)
        for source in sources:
            count = len(heard & published[source])
            found.expect(count > 0, f"{run.dag_id} heard {count} of the events that {runs[source].dag_id} published")
    return found.observation()


def artifacts_exist(context: Context) -> Observation:
    """Every published artifact lies where its event says, with as many rows as it says."""
    found = Findings()
    artifacts = artifacts_of(context)
    found.expect(
        {(a.team, a.name) for a in artifacts} >= set(ARTIFACTS), f"published: {sorted(a.name for a in artifacts)}"
    )
    for artifact in artifacts:
        try:
            wrong = problems(artifact, context.storage)
        except AirspaceError as error:
            wrong = [error.message]
        found.expect(not wrong, f"{artifact.name}: {'; '.join(wrong) or artifact.rows}")
        found.expect((artifact.rows or 0) > 0, f"{artifact.name} has {artifact.rows} rows")
    return found.observation()


def spoiled_batch_stops(context: Context) -> Observation:
    """A spoiled batch fails its run, publishes nothing, and nobody else starts; the Dag's callback left word of it."""
    found = Findings()
    facts, member = context.facts, context.as_(MEMBER[DE])
    run = member.run(ETL, facts.spoiled_run)
    found.expect(run.state == "failed", f"the spoiled run: {run.state}")
    failed = [task.task_id for task in member.task_instances(ETL, run.run_id) if task.state == "failed"]
    found.expect(bool(failed), f"stopped by {failed}")
    word = value_of(member, LAST_FAILURE)
    found.expect(word.startswith(f"{run.run_id}: "), f"its callback's word: {word or 'none'}")
    events = member.asset_events(source_dag_id=ETL, source_run_id=run.run_id)
    found.same([event.name for event in events], [], "published by it")
    good = member.asset_events(source_dag_id=ETL, source_run_id=facts.etl_run)
    found.expect(bool(good), f"the good run published {len(good)} assets")
    begun = run.queued_at or run.start
    for team, dag_id in ((DS, CHURN), (DA, DASHBOARD)):
        later = [
            other.run_id
            for other in context.as_(MEMBER[team]).runs(dag_id)
            if begun is None or (other.queued_at or other.start or begun) >= begun
        ]
        found.same(later, [], f"runs of {dag_id} since")
        # A half-fed consumer would wait with queued events: there are none of this run either.
        queued = context.as_(MEMBER[team]).ask("GET", f"/dags/{dag_id}/assets/queuedEvents")
        found.expect(queued.status == 404 or not queued.body["queued_events"], f"{dag_id} waits for nothing")
    return found.observation()


def _one(context: Context, name: str) -> Path:
    """The folder of the artifact with this name."""
    for artifact in artifacts_of(context):
        if artifact.name == name:
            return artifact.files(context.storage).path
    raise AirspaceError(f"nothing was published as {name}")


def model_metrics(context: Context) -> dict[str, Any]:
    """What the training stored about its model."""
    file = _one(context, METRICS_ASSET) / METRICS_FILE
    try:
        document = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise AirspaceError(f"{file.name} cannot be read: {type(error).__name__}") from error
    return dict(document)


def model_learned(context: Context) -> Observation:
    """The churn model predicts people it has not seen, and learns nothing from shuffled labels."""
    found = Findings()
    metrics = model_metrics(context)
    auc, shuffled = float(metrics[AUC]), float(metrics[AUC_SHUFFLED])
    found.expect(auc >= AUC_AT_LEAST, f"hold-out AUC {auc:.3f} (at least {AUC_AT_LEAST})")
    found.expect(shuffled <= SHUFFLED_AT_MOST, f"with shuffled labels {shuffled:.3f} (at most {SHUFFLED_AT_MOST})")
    return found.observation()


def dashboard_file(context: Context) -> Path:
    """The rendered dashboard."""
    pages = sorted(_one(context, DASHBOARD_ASSET).glob("*.html"))
    if not pages:
        raise AirspaceError("the dashboard's artifact holds no HTML page")
    return pages[0]


def dashboard_self_contained(context: Context) -> Observation:
    """The dashboard is one file that loads nothing from elsewhere."""
    found = Findings()
    file = dashboard_file(context)
    page = file.read_text(encoding="utf-8", errors="replace")
    loads = EXTERNAL.findall(page)
    charts = CHART.findall(page)
    found.expect(not loads, f"{file.name}: {len(page) // 1000} kB, loads {len(loads)} things from elsewhere")
    found.expect(len(charts) >= 3, f"{len(charts)} charts")
    return found.observation()


CLAIMS = (
    Claim("pipelines", "the pipelines of all three teams ended well", pipelines_succeeded),
    Claim("asset-driven", "DS and DA started because data was published, not by clock or hand", started_by_assets),
    Claim("artifacts", "every artifact lies where its event says, with the rows it says", artifacts_exist),
    Claim("quality-gate", "a spoiled batch fails, publishes nothing, starts nobody, calls back", spoiled_batch_stops),
    Claim("model", "the churn model learned something, and only from real labels", model_learned),
    Claim("dashboard", "the dashboard is one self-contained page with charts", dashboard_self_contained),
)
