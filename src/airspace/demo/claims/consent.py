"""Data crosses teams only with its owner's consent."""

from __future__ import annotations

from airspace.demo.claim import Claim, Context, Findings, Observation
from airspace.demo.claims.pipelines import dashboard_file
from airspace.demo.story import (
    DA,
    DASHBOARD_ASSET,
    DE,
    DS,
    MEMBER,
    PROBE_ASSET,
    PROBE_LISTENS,
    PROBE_OWN,
    PROBE_PUBLISH,
)


def consent_starts(context: Context) -> Observation:
    """An asset that its owner shares with nobody starts the owner's own listener, and nobody else's."""
    found = Findings()
    owner = context.as_(MEMBER[DE])
    events = owner.asset_events(source_dag_id=PROBE_PUBLISH, source_run_id=context.facts.probe_run)
    found.expect([event.name for event in events] == [PROBE_ASSET], f"published {len(events)} time without consent")
    heard = [
        run.run_id
        for run in owner.recent_runs(PROBE_OWN)
        if any(e.source_run == context.facts.probe_run for e in owner.upstream_events(PROBE_OWN, run.run_id))
    ]
    found.same(len(heard), 1, "DE's own listener started")
    listening = {dag for asset in context.as_("admin").assets() for dag in asset.scheduled_dags if _probe(asset.name)}
    found.expect(set(PROBE_LISTENS.values()) <= listening, f"listening: {sorted(listening)}")
    for team in (DS, DA):
        dag_id, member = PROBE_LISTENS[team], context.as_(MEMBER[team])
        paused = member.call("GET", f"/dags/{dag_id}")["is_paused"]
        found.expect(not paused, f"{team}'s listener is {'paused' if paused else 'awake'}")
        found.same(len(member.recent_runs(dag_id)), 0, f"runs of {team}'s listener")
        queued = member.ask("GET", f"/dags/{dag_id}/assets/queuedEvents")
        found.expect(queued.status == 404 or not queued.body["queued_events"], f"{team}'s listener has heard nothing")
    return found.observation()


def _probe(name: str) -> bool:
    return name == PROBE_ASSET


def consent_shows(context: Context) -> Observation:
    """An asset is seen by its team and by those who consume it with consent."""
    found = Findings()
    assets = {asset.name: asset for asset in context.as_("admin").assets()}
    shared = sorted(context.consents)
    found.expect(bool(shared), f"{len(shared)} assets are shared")
    for team, name in shared:
        path = f"/assets/{assets[name].asset_id}"
        for other, consumer in MEMBER.items():
            if other == DE:
                continue  # engineers are support too, and reach every team
            may = other == team or other in context.consents[team, name]
            found.status(context.as_(consumer).ask("GET", path), 200 if may else 404, f"{consumer} reads {name}")
        found.status(context.as_("nemo").ask("GET", path), 404, f"nemo reads {name}")
    path = f"/assets/{assets[PROBE_ASSET].asset_id}"
    for name, wanted in ((MEMBER[DS], 404), (MEMBER[DA], 404), (MEMBER[DE], 200)):
        found.status(context.as_(name).ask("GET", path), wanted, f"{name} reads {PROBE_ASSET}, which is not shared")
    return found.observation()


def dashboard_shown(context: Context) -> Observation:
    """The dashboard opens for its team's members, as a page that can do nothing; for nobody else it is there."""
    found = Findings()
    file = dashboard_file(context)
    at = f"published/{DA}/{DASHBOARD_ASSET}/{file.parent.name}/{file.name}"
    for name, wanted in (("ana", 200), ("ben", 200), (MEMBER[DS], 404), ("nemo", 404)):
        answer = context.as_(name).ask_pages(f"/artifacts/{DA}/open", at=at)
        found.status(answer, wanted, f"{name} opens {file.name}")
        if answer.ok:
            policy = answer.headers.get("content-security-policy", "")
            safe = policy.startswith("sandbox;") and "allow-" not in policy and "default-src 'none'" in policy
            found.expect(safe, "no scripts, no origin" if safe else f"its policy: {policy or 'none'}")
    shared = context.as_(MEMBER[DS]).ask_pages(f"/artifacts/{DS}/open", at=at)
    found.status(shared, 404, f"{MEMBER[DS]} opens it through {DS}")
    return found.observation()


CLAIMS = (
    Claim("consent", "an asset without consent starts nobody else's Dag", consent_starts),
    Claim("consent-view", "an asset is seen by its own team and by its consumers only", consent_shows),
    Claim("dashboard-shown", "the dashboard opens for its team alone, and can do nothing", dashboard_shown),
)
