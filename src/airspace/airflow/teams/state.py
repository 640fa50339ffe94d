"""What is there of some teams, and how that differs from what shall be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from airflow.exceptions import AirflowException
from airflow.models import Connection, Pool, Variable
from airflow.models.dagbundle import DagBundleModel
from airflow.models.team import Team, dag_bundle_team_association_table
from sqlalchemy import select
from sqlalchemy.orm import Session

from airspace.backends import tables
from airspace.model.change import Change
from airspace.model.errors import InvalidInputError
from airspace.model.names import qualified
from airspace.teams.causes import cause, said_the_same, unknown_fields
from airspace.teams.desired import DesiredConnection, DesiredTeam, is_sensitive, stored_team
from airspace.teams.rules import ELSEWHERE, SECRET, Sealer, State, Value, diff

CONNECTION_FIELDS = ("conn_type", "host", "port", "login", "password", "schema", "extra", "description")
_AS_SAID = ("limits", "network", "warehouse")  # of a team's file, kept as it is
_ALWAYS_SHOWN = frozenset({"conn_type", "type"})


@dataclass(frozen=True)
class PresentPool:
    """A pool of Airflow's, as far as it matters."""

    slots: int
    include_deferred: bool
    team_name: str | None


@dataclass
class PresentBundle:
    """A bundle of Airflow's, and the teams that it belongs to."""

    active: bool
    owners: list[str] = field(default_factory=list)


@dataclass
class Present:
    """Rows of the database that matter to an apply, by name.

    Read without objects where there is nothing to decrypt: for hundreds of teams those cost more than all else.
    """

    team_names: set[str] = field(default_factory=set)
    """Every team that was ever applied."""
    native: set[str] = field(default_factory=set)
    """Of the teams asked for: those that Airflow knows."""
    rows: dict[str, Any] = field(default_factory=dict)
    bundles: dict[str, PresentBundle] = field(default_factory=dict)
    pools: dict[str, PresentPool] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    members: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    grants: dict[str, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(dict))

    def spec(self, team: str) -> Mapping[str, Any]:
        """What an earlier apply kept of the team's file; empty when there was none."""
        row = self.rows.get(team)
        return row.spec if row is not None else {}

    def stored(self, team: str) -> DesiredTeam | None:
        """The same as a team. None also when another version kept it."""
        return stored_team(self.rows[team].spec) if team in self.rows else None


def read_present(session: Session, teams: Sequence[DesiredTeam]) -> Present:
    """Everything that an apply of these teams has to look at, in a handful of queries."""
    present = Present()
    names = [team.name for team in teams]
    present.team_names = set(session.scalars(select(tables.teams.c.name)))
    present.native = set(session.scalars(select(Team.name).where(Team.name.in_(names))))
    for row in session.execute(select(tables.teams).where(tables.teams.c.name.in_(names))):
        present.rows[row.name] = row
    bundles = select(DagBundleModel.name, DagBundleModel.active).where(DagBundleModel.name.in_(names))
    present.bundles = {name: PresentBundle(bool(active)) for name, active in session.execute(bundles)}
    owner = dag_bundle_team_association_table.c
    owners = select(owner.dag_bundle_name, owner.team_name).where(owner.dag_bundle_name.in_(names))
    for bundle, team in session.execute(owners):
        present.bundles.setdefault(bundle, PresentBundle(active=False)).owners.append(team)
    for row in session.execute(select(tables.members).where(tables.members.c.team.in_(names))):
        present.members[row.team][row.user_name] = row.role
    grants = select(tables.asset_grants).where(tables.asset_grants.c.team.in_(names))
    for row in session.execute(grants.order_by(tables.asset_grants.c.consumer)):
        present.grants[row.team].setdefault(row.asset, []).append(row.consumer)
    _read_named(session, teams, present)
    return present


def _read_named(session: Session, teams: Sequence[DesiredTeam], present: Present) -> None:
    keys: dict[str, list[str]] = {"pools": [team.name for team in teams], "connections": [], "variables": []}
    for team in teams:
        for kind, found in keys.items():
            found.extend(qualified(team.name, name) for name in managed(team, present, kind))
    pools = select(Pool.pool, Pool.slots, Pool.include_deferred, Pool.team_name).where(Pool.pool.in_(keys["pools"]))
    present.pools = {str(pool): PresentPool(*rest) for pool, *rest in session.execute(pools)}
    connections = select(Connection).where(Connection.conn_id.in_(keys["connections"]))
    present.connections = {c.conn_id: c for c in session.scalars(connections)}
    variables = select(Variable).where(Variable.key.in_(keys["variables"]))
    present.variables = {v.key: v for v in session.scalars(variables)}


def managed(team: DesiredTeam, present: Present, kind: str) -> set[str]:
    """Short names that are or were in the team's file. Anything else of the team is somebody's own and left alone."""
    return set(getattr(team, kind)) | set(_section(present.spec(team.name), kind))


def _section(spec: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """A part of a kept file; empty where another version wrote it in another shape."""
    found = spec.get(kind)
    return found if isinstance(found, Mapping) else {}


def conflicts(team: DesiredTeam, present: Present) -> Iterator[str]:
    """Names that the file wants and that belong to nobody or to another team."""
    pool = present.pools.get(team.name)
    if pool is not None and pool.team_name != team.name:
        yield f"pool {team.name}"
    bundle = present.bundles.get(team.bundle)
    if bundle is not None and any(owner != team.name for owner in bundle.owners):
        yield f"bundle {team.bundle}"
    for kind, rows in (("pool", present.pools), ("connection", present.connections), ("variable", present.variables)):
        for name in getattr(team, f"{kind}s"):
            row = rows.get(qualified(team.name, name))
            if row is not None and row.team_name != team.name:
                yield f"{kind} {qualified(team.name, name)}"


def compare(team: DesiredTeam, present: Present, sources: Mapping[str, Any], sealer: Sealer) -> list[Change]:
    """What has to change for one team, and why.

    :raises InvalidInputError: something that was to stay as it is, was never there
    """
    desired = desired_state(team, sealer)
    if not team.kept and desired == actual_state(team, present, sources, sealer, {}):
        return []  # as nearly all of hundreds of teams are; what may be shown of a change needs more
    stored = present.stored(team.name)
    before = desired_state(stored, sealer) if stored else None
    actual = actual_state(team, present, sources, sealer, before or {})
    for resource in team.kept:
        if resource not in (before or {}):
            raise InvalidInputError(
                f"{resource} of {team.name} is new, and its secret is not known here",
                fix=f"make its references lead somewhere, then apply the file of {team.name}",
            )
        desired.pop(resource, None)
        actual.pop(resource, None)
    changes = diff(team.name, desired, actual)
    if not changes:
        return []
    spec = present.rows[team.name].spec if stored else {}
    unknown = unknown_fields(spec)
    return [
        replace(change, cause=cause(change, desired, before, actual, _unclear(change.resource, team, spec, unknown)))
        for change in changes
    ]


def _unclear(
    resource: str, team: DesiredTeam, spec: Mapping[str, Any], unknown: Mapping[str, frozenset[str]]
) -> dict[str, bool]:
    fields = unknown.get(resource)
    return dict.fromkeys(fields, said_the_same(resource, team.spec, spec)) if fields else {}


def connection_fields(team: str, name: str, wanted: DesiredConnection) -> dict[str, Any]:
    """A connection's columns, a URI taken apart by Airflow itself."""
    if "uri" not in wanted.fields:
        return dict(wanted.fields)
    try:
        parsed = Connection(conn_id=qualified(team, name), uri=wanted.fields["uri"])
    except (AirflowException, ValueError, TypeError):
        raise InvalidInputError(
            f"the URI of the connection {name} of {team} cannot be taken apart",
            fix="write type://login:password@host:port/db, special characters percent-encoded",
        ) from None
    fields = {key: getattr(parsed, key) for key in CONNECTION_FIELDS}
    return fields | {"description": wanted.fields.get("description")}


def desired_state(team: DesiredTeam, sealer: Sealer) -> dict[str, dict[str, Value]]:
    """The team as resources and fields."""
    spec = team.spec
    settled = {"title": team.title, "slots": team.slots, **{key: spec.get(key) for key in _AS_SAID}}
    state: dict[str, dict[str, Value]] = {
        "team": sealer.resource(settled),
        "bundle": bundle_resource(
            team.bundle, {"folder": team.folder, "remote": team.remote, "credential": team.credential}, sealer
        ),
    }
    for user, role in team.members.items():
        state[f"member {user}"] = sealer.resource({"role": role})
    for name, slots in team.pools.items():
        state[f"pool {name}"] = sealer.resource({"slots": slots})
    for name, connection in team.connections.items():
        fields = connection_fields(team.name, name, connection)
        state[f"connection {name}"] = sealer.resource(_named(fields), connection.secret)
    for name, variable in team.variables.items():
        state[f"variable {name}"] = {"value": sealer.value(variable.text, secret=variable.secret)}
    for name, consumers in team.assets.items():
        state[f"asset {name}"] = {"consumers": sealer.value(sorted(consumers)), **_tables(spec, name, sealer)}
    return state


def _tables(spec: Mapping[str, Any], asset: str, sealer: Sealer) -> dict[str, Value]:
    """The tables that go with an asset, where there are some."""
    named = _section(spec, "assets").get(asset)
    tables = named.get("tables") if isinstance(named, Mapping) else None
    return sealer.resource({"tables": sorted(tables)}) if tables else {}


def bundle_resource(name: str, source: Mapping[str, Any], sealer: Sealer) -> dict[str, Value]:
    """A bundle and where it comes from. What it is fetched with is secret."""
    credential = source.get("credential") or {}
    fields = {"name": name, "folder": source.get("folder"), **(source.get("remote") or {})}
    return sealer.resource(fields) | sealer.resource(credential, tuple(credential))


def actual_state(
    team: DesiredTeam, present: Present, sources: Mapping[str, Any], sealer: Sealer, known: State
) -> dict[str, dict[str, Value]]:
    """What is there of the team, as far as its file manages it or managed it the last time.

    :param known: what the file said when it was last applied, where that matters: only what it says may be shown
    """
    state: dict[str, dict[str, Value]] = {}
    row = present.rows.get(team.name)
    pool = present.pools.get(team.name)
    if row is not None and team.name in present.native:
        good = pool is not None and not pool.include_deferred
        settled = {key: row.spec.get(key) for key in _AS_SAID}
        state["team"] = sealer.resource({"title": row.title, "slots": pool.slots if pool and good else None, **settled})
    bundle = present.bundles.get(team.bundle)
    if bundle is not None and bundle.active and bundle.owners == [team.name]:
        state["bundle"] = bundle_resource(team.bundle, sources.get(team.bundle) or {}, sealer)
    for user, role in present.members.get(team.name, {}).items():
        state[f"member {user}"] = sealer.resource({"role": role})
    spec = present.spec(team.name)
    for asset, consumers in present.grants.get(team.name, {}).items():
        state[f"asset {asset}"] = {"consumers": sealer.value(sorted(consumers)), **_tables(spec, asset, sealer)}
    state.update(_named_resources(team, present, known, sealer))
    # An asset that nobody may consume has no grant row: it is as it shall be when the file said so before.
    for asset, named in _section(spec, "assets").items():
        if not (isinstance(named, Mapping) and named.get("consumers")):
            state.setdefault(f"asset {asset}", {"consumers": sealer.value([]), **_tables(spec, asset, sealer)})
    return state


def _named_resources(team: DesiredTeam, present: Present, known: State, sealer: Sealer) -> dict[str, dict[str, Value]]:
    """Pools, connections and variables that the file manages and that are this team's."""
    state: dict[str, dict[str, Value]] = {}
    for name in managed(team, present, "pools"):
        pool = present.pools.get(qualified(team.name, name))
        if pool is not None and pool.team_name == team.name:
            slots = {"slots": pool.slots} | ({"include_deferred": True} if pool.include_deferred else {})
            state[f"pool {name}"] = sealer.resource(slots)
    for name in managed(team, present, "connections"):
        connection = present.connections.get(qualified(team.name, name))
        if connection is not None and connection.team_name == team.name:
            fields = _named({key: getattr(connection, key) for key in CONNECTION_FIELDS})
            before = known.get(f"connection {name}", {})
            state[f"connection {name}"] = {
                key: _masked(key, value, before.get(key)) for key, value in sealer.resource(fields).items()
            }
    for name in managed(team, present, "variables"):
        variable = present.variables.get(qualified(team.name, name))
        if variable is not None and variable.team_name == team.name:
            value, before = sealer.value(variable.val), known.get(f"variable {name}", {})
            state[f"variable {name}"] = {"value": _masked(name, value, before.get("value"))}
    return state


def _masked(name: str, value: Value, stored: Value | None) -> Value:
    """A value in the database is shown only if an earlier file said it in the open: it may be anybody's secret."""
    if name in _ALWAYS_SHOWN or (stored is not None and stored == value and stored.shown != SECRET):
        return value
    hidden = stored is None or stored.shown == SECRET or is_sensitive(name)
    return Value(value.digest, SECRET if hidden else ELSEWHERE)


def _named(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The columns under the names of the team file."""
    return {"type" if key == "conn_type" else key: value for key, value in fields.items()}
