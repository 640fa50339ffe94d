"""What would go along with Dags to another team, what would be lacking there, and why it may not be. Reads only."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow import settings
from airflow.configuration import conf
from airflow.models import Connection, DagModel, DagRun, DagTag, Pool, TaskInstance, Variable
from airflow.models.dagcode import DagCode
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.xcom import XComModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airspace.airflow.moving import rows
from airspace.airflow.moving.assets import assets_of
from airspace.airflow.parsing import facts
from airspace.airflow.parsing.belonging import TEAM_TAG
from airspace.airflow.parsing.checks import prefixing
from airspace.airflow.parsing.serialized import setting, tasks_of
from airspace.backends import tables
from airspace.model.hold import HoldKind
from airspace.model.limits import REQUIRE_PREFIX, SECTION
from airspace.model.names import did_you_mean, short_name

MOST = 500
_DEFAULT_POOL = "default_pool"
_WORDS = re.compile(r"[\w-]+")

Payload = Mapping[str, Any]
Problem = dict[str, str]


@dataclass
class _Asked:
    """The Dags that were asked for, those that there are.

    :param fresh: the new team is not there yet, or nothing is in it
    """

    team: str
    target: str
    bundle: str
    dags: list[str]
    found: dict[str, Any]
    session: Session
    fresh: bool = False

    @property
    def mine(self) -> list[str]:
        """Those of them that are the team's."""
        return [dag for dag in self.dags if dag in self.found and self.found[dag].bundle_name == self.bundle]


def preview(payload: Payload) -> dict[str, Any]:
    """Everything that is known of a transfer, with every problem at once.

    :param payload: dags, team, target, and ``fresh`` where the new team is still to be made
    """
    team, target = str(payload["team"]), str(payload["target"])
    dags = list(dict.fromkeys(str(dag) for dag in payload["dags"]))
    with settings.get_session()() as session:
        fresh = bool(payload.get("fresh"))
        if problems := list(_teams((team, target), [team] if fresh else [team, target], session)):
            return {"problems": problems}
        if not 1 <= len(dags) <= MOST:
            return {"problems": [_problem(f"{len(dags)} Dags at once", f"name 1 to {MOST}")]}
        bundles = dict(session.execute(select(tables.teams.c.name, tables.teams.c.bundle)).all())
        columns = (DagModel.dag_id, DagModel.bundle_name, DagModel.relative_fileloc, DagModel.is_stale)
        found = {row.dag_id: row for row in session.execute(select(*columns).where(DagModel.dag_id.in_(dags)))}
        asked = _Asked(team, target, bundles[team], dags, found, session, fresh)
        files = _files(asked)
        pools = _pools_wanted(asked)
        assets = assets_of(asked.mine, team, target, session)
        return {
            "problems": [
                *_whose(asked),
                *_whole_files(asked, files),
                *_names(asked),
                *_pools(asked, pools),
                *assets.problems,
            ],
            "files": files,
            "has": _has(asked),
            "running": rows.running(asked.mine, session),
            "assets": assets.as_dict(),
            "needs": _needs(asked),
            "pools": {pool: size for pool, size in facts.pools(team, session).items() if pool in pools},
        }


def _problem(message: str, fix: str) -> Problem:
    return {"message": message, "fix": fix}


def _teams(teams: tuple[str, str], needed: Sequence[str], session: Session) -> Iterator[Problem]:
    team, target = teams
    known = set(session.scalars(select(tables.teams.c.name)))
    for name in needed:
        if name not in known:
            near = did_you_mean(name, known)
            yield _problem(
                f"there is no team {name}", f"did you mean {near}?" if near else "airspace team list shows all"
            )
    if team == target:
        yield _problem(f"the Dags are to go from team {team} to itself", "name another team after --to")
    held = tables.all_holds(session)
    for name, hold in held.items():
        if name == target and hold.kind is HoldKind.SUSPENDED:
            yield _problem(f"team {name} is suspended", f"airspace team resume {name}")
        elif name in (team, target) and hold.kind is HoldKind.RENAMING:
            yield _problem(f"team {name} is being renamed", "airspace up tells how to go on with that")
        elif name in (team, target) and hold.kind is HoldKind.LEAVING:
            yield _problem(f"team {name} is being removed", f"airspace team remove {name} finishes it")


def _whose(asked: _Asked) -> Iterator[Problem]:
    """The same words for a Dag of another team and for none: who asks says whose it is."""
    mine = set(asked.mine)
    known = select(DagModel.dag_id).where(DagModel.bundle_name == asked.bundle)
    for dag in asked.dags:
        if dag not in mine:
            near = did_you_mean(dag, asked.session.scalars(known))
            fix = f"did you mean {near}?" if near and near not in mine else "see the Dags of that team in the UI"
            yield _problem(f"team {asked.team} has no Dag {dag}", fix)


def file_of(relative: str) -> str:
    """The file of the bundle that a Dag's place is in: of one that is packed, the archive."""
    archive, packed, _ = relative.partition(".zip/")
    return f"{archive}.zip" if packed else relative


def _files(asked: _Asked) -> dict[str, list[str]]:
    """File → its Dags. A Dag whose file is gone has none: only its past goes along."""
    files: dict[str, list[str]] = {}
    for dag in asked.mine:
        row = asked.found[dag]
        if row.relative_fileloc and not row.is_stale:
            files.setdefault(file_of(row.relative_fileloc), []).append(dag)
    return files


def _whole_files(asked: _Asked, files: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    ask = select(DagModel.dag_id, DagModel.relative_fileloc).where(
        DagModel.bundle_name == asked.bundle, DagModel.is_stale.is_(False), DagModel.dag_id.not_in(asked.mine)
    )
    beside: dict[str, list[str]] = {}
    for row in asked.session.execute(ask):
        if row.relative_fileloc and (file := file_of(row.relative_fileloc)) in files:
            beside.setdefault(file, []).append(row.dag_id)
    for file, dags in sorted(beside.items()):
        others = ", ".join(sorted(dags))
        yield _problem(f"{file} has other Dags too: {others}", f"move them along ({others}), or divide the file")


def _names(asked: _Asked) -> Iterator[Problem]:
    """What the Dags themselves say of whose they are."""
    if conf.getboolean(SECTION, REQUIRE_PREFIX, fallback=False):
        teams = {asked.target, *asked.session.scalars(select(tables.teams.c.name))}
        for dag in asked.mine:
            if prefixing(dag, teams) != asked.target:
                yield _problem(
                    f"the id {dag} does not begin with {asked.target}, as [{SECTION}] {REQUIRE_PREFIX} asks",
                    "a Dag keeps its id: leave it, or take the setting out of airflow.overrides.cfg",
                )
    tags = select(DagTag.dag_id, DagTag.name).where(
        DagTag.dag_id.in_(asked.mine), DagTag.name.startswith(TEAM_TAG, autoescape=True)
    )
    for row in asked.session.execute(tags):
        if row.name != f"{TEAM_TAG}{asked.target}":
            fix = f"write {TEAM_TAG}{asked.target}, or take it off"
            yield _problem(f"Dag {row.dag_id} has the tag {row.name}", fix)


def _pools_wanted(asked: _Asked) -> dict[str, tuple[int, int]]:
    """Pools that its tasks name: pool → slots that one task takes, and what the old team has there."""
    own = select(Pool.pool, Pool.slots).where(Pool.team_name == asked.team)
    sizes = {row.pool: row.slots for row in asked.session.execute(own)}
    wanted: dict[str, int] = {}
    for dag in asked.mine:
        for task in _tasks(dag, asked.session):
            pool, slots = setting(task, "pool", _DEFAULT_POOL), setting(task, "pool_slots", 1)
            if isinstance(pool, str) and isinstance(slots, (int, float)):
                wanted[pool] = max(wanted.get(pool, 1), int(slots))
    return {pool: (slots, sizes.get(f"{asked.team}.{pool}", slots)) for pool, slots in sorted(wanted.items())}


def _pools(asked: _Asked, wanted: Mapping[str, tuple[int, int]]) -> Iterator[Problem]:
    """Pools that the new team has none of, or smaller ones; where it is still to be made, it gets them."""
    there = facts.pools(asked.target, asked.session)
    for pool, (slots, size) in wanted.items():
        if pool == asked.team or pool.startswith(f"{asked.team}."):
            short = short_name(asked.team, pool)
            name = "no pool" if short == asked.team else repr(short)
            yield _problem(f"tasks name the pool {pool} in full", f"name {name} in the Dag's file")
        elif pool == _DEFAULT_POOL or asked.fresh:
            continue
        elif pool not in there:
            fix = f"add it to its team file (pools: {{{pool}: {size}}}) and apply"
            yield _problem(f"team {asked.target} has no pool {pool}", fix)
        elif slots > max(1, there[pool]):
            yield _problem(
                f"a task needs {slots} slots of the pool {pool}, and team {asked.target} has {there[pool]} there",
                "give that pool more slots in its team file, and apply",
            )


def _tasks(dag: str, session: Session) -> Iterator[dict[str, Any]]:
    newest = select(SerializedDagModel).where(SerializedDagModel.dag_id == dag)
    row = session.scalar(newest.order_by(SerializedDagModel.created_at.desc()).limit(1))
    data = row.data if row is not None else None
    if data and isinstance(data.get("dag"), dict):
        yield from tasks_of(data["dag"])
    if row is not None:
        session.expunge(row)


def _has(asked: _Asked) -> dict[str, int]:
    mine = asked.mine
    counts = {"runs": DagRun, "task_instances": TaskInstance, "xcoms": XComModel}
    found = {
        name: asked.session.scalar(select(func.count()).select_from(model).where(model.dag_id.in_(mine))) or 0
        for name, model in counts.items()
    }
    return {"dags": len(mine), **found}


def _needs(asked: _Asked) -> dict[str, list[str]]:
    """Connections and variables of the old team that the code has the names of, and the new team lacks."""
    words: set[str] = set()
    for dag in asked.mine:
        newest = select(DagCode.source_code).where(DagCode.dag_id == dag).order_by(DagCode.last_updated.desc()).limit(1)
        words |= set(_WORDS.findall(asked.session.scalar(newest) or ""))
    return {
        "connections": _lacking(Connection.conn_id, Connection.team_name, words, asked),
        "variables": _lacking(Variable.key, Variable.team_name, words, asked),
    }


def _lacking(name: Any, team: Any, words: Collection[str], asked: _Asked) -> list[str]:
    def names(of: str) -> set[str]:
        return {short_name(of, each) for each in asked.session.scalars(select(name).where(team == of))}

    return sorted(each for each in names(asked.team) - names(asked.target) if set(_WORDS.findall(each)) <= set(words))
