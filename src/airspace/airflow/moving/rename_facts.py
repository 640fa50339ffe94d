"""What goes along when a team gets another name, who will notice, and why it may not be. Reads only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from airflow import settings
from airflow.configuration import conf
from airflow.models import Connection, DagModel, DagTag, Pool, Variable
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagcode import DagCode
from airflow.models.team import Team
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from airspace.airflow.moving import rows
from airspace.airflow.moving.facts import file_of
from airspace.airflow.parsing.belonging import TEAM_TAG
from airspace.airflow.teams import dependents
from airspace.airflow.teams.holds import bundle_of, dags_of
from airspace.backends import tables
from airspace.model.limits import REQUIRE_PREFIX, SECTION
from airspace.model.source_settings import BackendSettings

_MOST_DAGS = 2000

Payload = Mapping[str, Any]
Problem = dict[str, str]


def preview(payload: Payload) -> dict[str, Any]:
    """What a team has and who has to do with it, with every problem that the database knows of."""
    team, name = str(payload["team"]), str(payload["name"])
    found = dependents.preview({"team": team})
    with settings.get_session()() as session:
        problems = [*_taken(name, session)]
        if not found["known"]:
            return {**found, "problems": problems}
        problems += [*_said_by_dags(team, name, session)]
        others = {each["team"] for each in (*found["consumers"], *found["consumes"])}
        return {
            **found,
            "problems": problems,
            "running": rows.running(dags_of(team), session),
            "dags": list(session.scalars(dags_of(team))),
            "files": _files(team, session),
            "code": list(_code(team, {team, *others}, session)),
            "secrets": _secrets(team, name, session),
        }


def consumes(payload: Payload) -> dict[str, Any]:
    """The teams whose files name this one as a consumer."""
    grants = tables.asset_grants.c
    with settings.get_session()() as session:
        ask = select(grants.team).where(grants.consumer == payload["team"]).distinct().order_by(grants.team)
        return {"teams": [team for team in session.scalars(ask) if team != payload["team"]]}


def settled(payload: Payload) -> dict[str, Any]:
    """Which Dags were not read since then, and the import errors that came."""
    since = float(payload["since"])
    with settings.get_session()() as session:
        mine = (DagModel.bundle_name == bundle_of(payload["name"]), DagModel.is_stale.is_(False))
        ask = select(DagModel.dag_id, DagModel.last_parsed_time).where(*mine).order_by(DagModel.dag_id)
        read = {row.dag_id: row.last_parsed_time for row in session.execute(ask)}
    return {"unread": [dag for dag, at in read.items() if at is None or at.timestamp() < since]}


def _problem(message: str, fix: str) -> Problem:
    return {"message": message, "fix": fix}


def _taken(name: str, session: Session) -> Iterator[Problem]:
    """The new name, or names of objects that would be the team's by theirs."""
    if session.scalar(select(tables.teams.c.name).where(tables.teams.c.name == name)) is not None:
        hold = tables.hold_of(name, session)
        leaving = hold is not None and hold.kind.value == "leaving"
        said = f"team {name} is being removed" if leaving else f"there is a team {name} already"
        yield _problem(said, f"airspace team remove {name} finishes it" if leaving else "choose another name")
        return
    for what, ask in (
        ("team in Airflow", select(Team.name).where(Team.name == name)),
        ("Dag bundle", select(DagBundleModel.name).where(DagBundleModel.name == name)),
        ("Dag in a bundle", select(DagModel.dag_id).where(DagModel.bundle_name == name)),
        ("pool", select(Pool.pool).where(or_(Pool.pool == name, _of(Pool.pool, name)))),
        ("connection", select(Connection.conn_id).where(_of(Connection.conn_id, name))),
        ("variable", select(Variable.key).where(_of(Variable.key, name))),
    ):
        if (there := session.scalar(ask.limit(1))) is not None:
            yield _problem(
                f"there is a {what} of that name already: {there}", "delete it in Airflow, or choose another name"
            )


def _of(column: Any, team: str) -> Any:
    return column.startswith(f"{team}.", autoescape=True)


def _said_by_dags(team: str, name: str, session: Session) -> Iterator[Problem]:
    """What the Dags themselves say of whose they are: they would not be let in under the new name."""
    mine = dags_of(team)
    if conf.getboolean(SECTION, REQUIRE_PREFIX, fallback=False):
        count = session.scalar(select(func.count()).select_from(mine.subquery()))
        if count:
            said = f"the ids of {count} Dags begin with {team}, as [{SECTION}] {REQUIRE_PREFIX} asks, and stay so"
            yield _problem(said, "take the setting out of airflow.overrides.cfg, or leave the name")
    tagged = select(DagTag.dag_id).where(DagTag.dag_id.in_(mine), DagTag.name == f"{TEAM_TAG}{team}")
    dags = list(session.scalars(tagged.order_by(DagTag.dag_id).limit(20)))
    if dags:
        fix = f"take it off: a Dag that says so in the folder of {name} is refused"
        yield _problem(f"Dags have the tag {TEAM_TAG}{team}: {', '.join(dags)}", fix)


def _secrets(team: str, name: str, session: Session) -> list[str]:
    """What the secrets backend will be asked for, where its names are made of the team's."""
    backend = BackendSettings.read(lambda section, key: conf.get(section, key, fallback=None))
    spec = session.scalar(select(tables.teams.c.spec).where(tables.teams.c.name == team))
    if backend is None:
        return []
    both = ((backend.name(team, each), backend.name(name, each)) for each in set(_asked(spec)))
    return sorted(after for before, after in both if before != after)


def _asked(said: Any) -> Iterator[str]:
    """The names in ``{backend: NAME}``."""
    for each in said.values() if isinstance(said, dict) else said if isinstance(said, list) else ():
        if isinstance(each, dict) and set(each) == {"backend"} and isinstance(each["backend"], str):
            yield each["backend"]
        else:
            yield from _asked(each)


def _files(team: str, session: Session) -> list[str]:
    ask = select(DagModel.relative_fileloc).where(DagModel.bundle_name == bundle_of(team), DagModel.is_stale.is_(False))
    return sorted({file_of(path) for path in session.scalars(ask) if path})


def _code(team: str, teams: set[str], session: Session) -> Iterator[dict[str, str]]:
    """Dag files, as they were last read, in which the name stands: nobody can tell whether it means the team."""
    word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(team)}(?![A-Za-z0-9])")
    known = tables.teams.c
    dags = (
        select(DagModel.dag_id, DagModel.relative_fileloc, known.name.label("team"))
        .join(tables.teams, known.bundle == DagModel.bundle_name)
        .where(known.name.in_(teams), DagModel.is_stale.is_(False))
        .order_by(known.name, DagModel.relative_fileloc)
        .limit(_MOST_DAGS)
    )
    seen = set()
    for row in session.execute(dags).all():
        place = (row.team, row.relative_fileloc)
        newest = select(DagCode.source_code).where(DagCode.dag_id == row.dag_id).order_by(DagCode.last_updated.desc())
        if place not in seen and word.search(session.scalar(newest.limit(1)) or ""):
            seen.add(place)
            yield {"team": row.team, "file": row.relative_fileloc or row.dag_id}
