"""Who sees and who may do what: each refusal beside the identical call of somebody who may."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from airspace.demo.claim import Claim, Context, Findings, Observation, visible
from airspace.demo.story import DA, DE, DS, STORY_DAGS, TEAMS

HIDDEN = 404
REFUSED = (403, 404)  # where the caller could not know of the object anyway, either word is right
KINDS = ("connections", "variables", "pools")
OWNERS = {DE: "dora", DA: "ana", DS: "grace"}  # each team's lead


def _a_dag(context: Context, team: str) -> str:
    """The team's pipeline, which must be among its Dags."""
    (named,) = (dag_id for dag_id, owner in STORY_DAGS.items() if owner == team)
    return named if named in context.dags_of(team) else ""


def _objects(context: Context, kind: str, team: str) -> set[str]:
    """The team's objects as the admin sees them."""
    return {name for name in context.as_("admin").names(kind) if name == team or name.startswith(f"{team}.")}


def _objects_for(context: Context, kind: str, name: str) -> set[str]:
    """The objects of all teams of which this person is a member."""
    return {found for team in context.people[name].teams for found in _objects(context, kind, team)}


def _path(kind: str, name: str) -> str:
    return f"/{kind}/{name}"


def _no_op_pause(context: Context, dag_id: str) -> dict[str, Any]:
    """Set the Dag to what it is: a write that changes nothing."""
    return {"is_paused": context.as_("admin").call("GET", f"/dags/{dag_id}")["is_paused"]}


def tenant_view(context: Context) -> Observation:
    """A member sees exactly the own team's Dags and runs, and other teams' Dags do not exist for them."""
    found = Findings()
    for name in ("ada", "olga", "ana", "ben"):
        own = context.dags_for(name)
        found.expect(bool(own), f"{', '.join(context.people[name].teams)} has {len(own)} Dags")
        answer = context.as_(name).call("GET", "/dags", limit=100)
        found.same({raw["dag_id"] for raw in answer["dags"]}, own, f"Dags that {name} sees")
        found.same(answer["total_entries"], len(own), f"total told to {name}")
        foreign = {run.dag_id for run in context.as_(name).runs()} - own
        found.same(foreign, set(), f"other teams' runs that {name} sees")
    foreign_dag = _a_dag(context, DE)
    for path in ("", "/dagRuns", "/details", "/tasks"):
        what = f"DE's {foreign_dag}{path}"
        found.status(context.as_("ada").ask("GET", f"/dags/{foreign_dag}{path}"), HIDDEN, f"ada reads {what}")
        found.status(context.as_("dora").ask("GET", f"/dags/{foreign_dag}{path}"), 200, f"dora reads {what}")
    missing = context.as_("ada").ask("GET", "/dags/no_such_dag")
    hidden = context.as_("ada").ask("GET", f"/dags/{foreign_dag}")
    found.same(
        hidden.words.replace(foreign_dag, "X"), missing.words.replace("no_such_dag", "X"), "words of hidden and missing"
    )
    return found.observation()


def roles_act(context: Context) -> Observation:
    """A viewer reads and cannot act; an operator acts."""
    found = Findings()
    theirs, ours = _a_dag(context, DA), _a_dag(context, DS)
    found.status(context.as_("ben").ask("GET", f"/dags/{theirs}"), 200, "ben (viewer) reads his team's Dag")
    found.status(context.try_trigger("ben", theirs), 403, "ben (viewer) triggers it")
    found.status(context.try_trigger("ana", theirs), 200, "ana (lead) triggers it")
    found.status(context.try_trigger("olga", ours), 200, "olga (operator) triggers DS's Dag")
    found.status(context.try_trigger("ada", ours), 200, "ada (author) triggers DS's Dag")
    found.status(context.try_trigger("olga", theirs), HIDDEN, "olga triggers DA's Dag")
    for name, dag_id, wanted in (("ben", theirs, 403), ("ana", theirs, 200), ("olga", ours, 200), ("ana", ours, 404)):
        answer = context.as_(name).ask("PATCH", f"/dags/{dag_id}", _no_op_pause(context, dag_id))
        found.status(answer, wanted, f"{name} sets the pause of {dag_id}")
    return found.observation()


def roles_write(context: Context) -> Observation:
    """Variables are for authors and up, connections and pools for leads, a run is deleted by authors and up."""
    found = Findings()
    mark = f"{DS}.probe_{secrets.token_hex(4)}"
    variable = {"key": mark, "value": "1", "team_name": DS}
    connection = {"connection_id": mark, "conn_type": "http", "team_name": DS}
    _written(context, found, "variables", variable, refused=("olga", "ana"), allowed=("ada", "grace"))
    _written(context, found, "connections", connection, refused=("olga", "ada", "ana"), allowed=("grace",))
    pool = {"name": mark, "slots": 1, "team_name": DS}
    _written(context, found, "pools", pool, refused=("olga", "ada", "ana"), allowed=("grace",))
    _deleted_run(context, found)
    return found.observation()


def _written(
    context: Context,
    found: Findings,
    kind: str,
    body: dict[str, Any],
    *,
    refused: Iterable[str],
    allowed: Iterable[str],
) -> None:
    """Everybody tries to create, then to delete, the same object; whatever was made is gone afterwards."""
    path = _path(kind, str(body.get("key") or body.get("connection_id") or body["name"]))
    admin = context.as_("admin")
    try:
        for name in refused:
            found.status(context.as_(name).ask("POST", f"/{kind}", body), REFUSED, f"{name} adds to DS's {kind}")
            admin.ask("DELETE", path)
        for name in allowed:
            found.status(context.as_(name).ask("POST", f"/{kind}", body), 201, f"{name} adds to DS's {kind}")
            for other in refused:
                found.status(context.as_(other).ask("DELETE", path), REFUSED, f"{other} deletes from DS's {kind}")
            found.status(context.as_(name).ask("DELETE", path), 204, f"{name} deletes from DS's {kind}")
    finally:
        admin.ask("DELETE", path)


def _deleted_run(context: Context, found: Findings) -> None:
    dag_id, run_id = _a_dag(context, DS), f"airspace-probe-{secrets.token_hex(4)}"
    admin = context.as_("admin")
    body = {"logical_date": None, "run_after": "2100-01-01T00:00:00Z", "dag_run_id": run_id}
    path = f"/dags/{dag_id}/dagRuns/{run_id}"
    admin.call("POST", f"/dags/{dag_id}/dagRuns", body)
    try:
        found.status(context.as_("olga").ask("DELETE", path), 403, "olga (operator) deletes a run")
        found.status(context.as_("ana").ask("DELETE", path), HIDDEN, "ana (of DA) deletes DS's run")
        found.status(context.as_("ada").ask("DELETE", path), 204, "ada (author) deletes a run")
    finally:
        admin.ask("DELETE", path)


def own_objects(context: Context) -> Observation:
    """A lead sees exactly the own team's connections, variables and pools; others' do not exist for them."""
    found = Findings()
    counted = 0
    for kind in KINDS:
        for team, owner in OWNERS.items():
            theirs = _objects(context, kind, team)
            counted += len(theirs)
            if owner != "dora":  # dora reaches all teams: the claim about support looks at that
                mine = _objects_for(context, kind, owner)
                found.same(visible(context.as_(owner), kind), mine, f"{kind} that {owner} sees")
            stranger = "ana" if team != DA else "grace"
            for name in sorted(theirs)[:1]:
                answer = context.as_(stranger).ask("GET", _path(kind, name))
                found.status(answer, HIDDEN, f"{stranger} reads {name}")
                found.status(context.as_(owner).ask("GET", _path(kind, name)), 200, f"{owner} reads {name}")
    found.expect(counted > 0, f"{counted} objects of the three teams compared")
    found.same(visible(context.as_("ben"), "pools"), _objects_for(context, "pools", "ben"), "pools ben (viewer) sees")
    for name in ("ben", "olga"):
        found.same(visible(context.as_(name), "variables"), set(), f"variables that {name} sees")
        found.same(visible(context.as_(name), "connections"), set(), f"connections that {name} sees")
    mine = _objects_for(context, "variables", "ada")
    found.same(visible(context.as_("ada"), "variables"), mine, "variables that ada (author) sees")
    return found.observation()


def support_reaches_all(context: Context) -> Observation:
    """Support sees and operates all three teams' Dags with one sign-in, and is nobody's lead by that."""
    found = Findings()
    everything = set().union(*(context.dags_of(team) for team in TEAMS))
    for name in ("dora", "emil"):
        seen = {dag.dag_id for dag in context.as_(name).dags()}
        found.same(seen & everything, everything, f"Dags of three teams that {name} sees")
        for team in (DA, DS):
            found.status(context.try_trigger(name, _a_dag(context, team)), 200, f"{name} triggers {team}'s Dag")
    for name, reached in (("dora", 200), ("emil", 200), ("grace", HIDDEN), ("nemo", HIDDEN)):
        found.status(context.as_(name).ask_pages("/homes/platform"), reached, f"{name} opens the page of all teams")
    mark = f"{DS}.probe_{secrets.token_hex(4)}"
    body = {"key": mark, "value": "1", "team_name": DS}
    for name, wanted in (("emil", REFUSED), ("grace", (201,))):
        found.status(context.as_(name).ask("POST", "/variables", body), wanted, f"{name} adds a variable to DS's")
        context.as_("admin").ask("DELETE", _path("variables", mark))
    own = {**body, "key": f"{DE}.probe_{secrets.token_hex(4)}", "team_name": DE}
    found.status(context.as_("emil").ask("POST", "/variables", own), 201, "emil adds a variable to his own team's")
    context.as_("admin").ask("DELETE", _path("variables", str(own["key"])))
    return found.observation()


def no_role_sees_nothing(context: Context) -> Observation:
    """Somebody without a role signs in and sees nothing."""
    found = Findings()
    nemo = context.as_("nemo")
    found.note("nemo signed in")
    dags = nemo.call("GET", "/dags")
    found.same((dags["total_entries"], dags["dags"]), (0, []), "Dags that nemo sees")
    found.same(len(nemo.runs()), 0, "runs that nemo sees")
    for kind in KINDS:
        found.same(visible(nemo, kind), set(), f"{kind} that nemo sees")
    # What every browser loads must open for them too: a page with nothing on it, not an error.
    found.status(nemo.ask("GET", "/plugins"), 200, "nemo's browser loads the list of plugins")
    broken = nemo.ask("GET", "/importErrors")
    found.status(broken, 200, "nemo's browser asks for import errors")
    found.same((broken.body or {}).get("total_entries"), 0, "import errors that nemo sees")
    for team in TEAMS:
        dag_id = _a_dag(context, team)
        found.status(nemo.ask("GET", f"/dags/{dag_id}"), HIDDEN, f"nemo reads {dag_id}")
        found.status(context.as_(OWNERS[team]).ask("GET", f"/dags/{dag_id}"), 200, f"{OWNERS[team]} reads {dag_id}")
        found.status(context.try_trigger("nemo", dag_id), HIDDEN, f"nemo triggers {dag_id}")
    return found.observation()


def auditor_reads_only(context: Context) -> Observation:
    """The auditor reads every team's things and the deployment's, and can change none."""
    found = Findings()
    iris, admin = context.as_("iris"), context.as_("admin")
    for team in TEAMS:
        own = context.dags_of(team)
        found.same({dag.dag_id for dag in iris.dags(bundle=team)}, own, f"{team}'s Dags that iris sees")
        dag_id = _a_dag(context, team)
        found.status(context.try_trigger("iris", dag_id), 403, f"iris triggers {dag_id}")
        found.status(context.try_trigger(OWNERS[team], dag_id), 200, f"{OWNERS[team]} triggers {dag_id}")
    for kind in KINDS:
        found.same(visible(iris, kind), set(admin.names(kind)), f"{kind} that iris sees")
    pause = _no_op_pause(context, _a_dag(context, DS))
    path = f"/dags/{_a_dag(context, DS)}"
    found.status(iris.ask("PATCH", path, pause), 403, "iris sets a pause")
    found.status(context.as_("olga").ask("PATCH", path, pause), 200, "olga sets the same pause")
    mark = f"{DS}.probe_{secrets.token_hex(4)}"
    body = {"key": mark, "value": "1", "team_name": DS}
    for name, wanted in (("iris", 403), ("grace", 201)):
        found.status(context.as_(name).ask("POST", "/variables", body), wanted, f"{name} adds a variable")
        admin.ask("DELETE", _path("variables", mark))
    return found.observation()


def anonymous_is_nobody(context: Context) -> Observation:
    """Without signing in, or with a wrong password, nothing is answered."""
    found = Findings()
    dag_id = _a_dag(context, DS)
    for method, path in (("GET", "/dags"), ("GET", f"/dags/{dag_id}"), ("GET", "/assets"), ("GET", "/pools")):
        found.status(context.airflow.anonymous(method, path), 401, f"nobody reads {path}")
        found.status(context.as_("ada").ask(method, path), 200, f"ada reads {path}")
    found.status(context.airflow.anonymous("PATCH", f"/dags/{dag_id}"), 401, "nobody sets a pause")
    wrong = {"username": "ada", "password": context.people["ada"].password + "x"}
    found.status(context.airflow.send("POST", "/auth/token", json=wrong), 401, "ada with a wrong password")
    right = {"username": "ada", "password": context.people["ada"].password}
    found.status(context.airflow.send("POST", "/auth/token", json=right), 201, "ada with hers")
    return found.observation()


def globals_are_admins(context: Context) -> Observation:
    """What has no team is read and written by admins only (and read by the auditor)."""
    found = Findings()
    mark = f"airspace_probe_{secrets.token_hex(4)}"
    bodies: dict[str, dict[str, object]] = {
        "variables": {"key": mark, "value": "1"},
        "connections": {"connection_id": mark, "conn_type": "http"},
        "pools": {"name": mark, "slots": 1},
    }
    admin = context.as_("admin")
    for kind, body in bodies.items():
        path = _path(kind, mark)
        try:
            for name in ("grace", "dora", "iris", "nemo"):
                # Whoever may add things in one team adds it there, under the team's name.
                added = context.as_(name).ask("POST", f"/{kind}", body)
                if added.ok:
                    found.expect(bool(added.body["team_name"]), f"{name} adds one to {kind} of their team")
                    admin.ask("DELETE", _path(kind, added.body[next(iter(body))]))
                else:
                    found.status(added, REFUSED, f"{name} adds a global of {kind}")
                found.status(admin.ask("GET", path), 404, f"then there is no global of {kind}")
                admin.ask("DELETE", path)
            found.status(admin.ask("POST", f"/{kind}", body), 201, f"admin adds a global of {kind}")
            for name in ("grace", "dora", "nemo"):
                found.status(context.as_(name).ask("GET", path), HIDDEN, f"{name} reads it")
                found.status(context.as_(name).ask("DELETE", path), REFUSED, f"{name} deletes it")
            found.status(context.as_("iris").ask("GET", path), 200, "iris (auditor) reads it")
            found.status(admin.ask("DELETE", path), 204, "admin deletes it")
        finally:
            admin.ask("DELETE", path)
    found.status(context.as_("grace").ask("GET", "/pools/default_pool"), HIDDEN, "grace reads default_pool")
    found.status(admin.ask("GET", "/pools/default_pool"), 200, "admin reads default_pool")
    return found.observation()


CLAIMS = (
    Claim("tenant-view", "a member sees exactly the own team's Dags and runs; others' do not exist", tenant_view),
    Claim("roles-act", "a viewer reads but cannot trigger or pause; an operator can, in the own team only", roles_act),
    Claim("roles-write", "authors write variables and delete runs; leads write connections and pools", roles_write),
    Claim("own-objects", "connections, variables and pools are seen by their own team only", own_objects),
    Claim("support", "support sees and operates all three teams with one sign-in", support_reaches_all),
    Claim("no-role", "somebody without a role signs in and sees nothing", no_role_sees_nothing),
    Claim("auditor", "the auditor reads everything and changes nothing", auditor_reads_only),
    Claim("anonymous", "without signing in, every call is refused", anonymous_is_nobody),
    Claim("globals", "what belongs to no team is the admins' alone", globals_are_admins),
)
