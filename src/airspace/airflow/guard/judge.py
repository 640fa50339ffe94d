"""The verdict on one request: facts looked up, decisions asked, and what has to be changed for the request to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams

from airspace.access.rules import Action, Kind
from airspace.access.tasks import STARTING_TOKEN, Instance, Refusal, Token, Turn, may, name_to_write, standing
from airspace.airflow.guard.facts import AssetFacts, Beside, Facts, Look
from airspace.airflow.guard.matching import Matched
from airspace.airflow.guard.routes import Rule, Target
from airspace.airflow.warehouse import is_given

MOST_ASSETS = 10_000  # in one report of a task
_OVER = frozenset({"success", "failed"})  # of a connection test


@dataclass(frozen=True)
class Question:
    """A request for one of the routes."""

    matched: Matched
    rule: Rule
    token: Token
    query: QueryParams
    body: Any = None


@dataclass(frozen=True)
class Granted:
    """The request may go on.

    :param variable: the name that the variable in the path gets
    :param prefix: the prefix that the listing of variables gets
    """

    team: str | None
    variable: str | None = None
    prefix: str | None = None


class RefusedError(Exception):
    """The request may not go on."""

    def __init__(self, refusal: Refusal, message: str, state: str | None = None) -> None:
        super().__init__(message)
        self.refusal, self.message, self.state = refusal, message, state


class Judge:
    """Judges requests by the facts."""

    def __init__(self, facts: Facts, leeway: int) -> None:
        self._facts = facts
        self._leeway = leeway

    async def verdict(self, question: Question) -> Granted:
        """What the request needs to go on.

        :raises RefusedError: it may not
        """
        async with self._facts.look() as look:
            return await _Hearing(look, self._leeway).verdict(question)

    async def visible(self, team: str, answer: Any) -> Any:
        """A list of assets or of their events without what the team may not read, and without other teams' runs."""
        async with self._facts.look() as look:
            return await _visible(look, team, answer)


class _Hearing:
    """One request before the judge."""

    def __init__(self, facts: Look, leeway: int) -> None:
        self._facts = facts
        self._leeway = leeway

    async def verdict(self, question: Question) -> Granted:
        if question.rule.target is Target.CONNECTION_TEST:
            return await self._connection_test(question)
        instance = await self._caller(question)
        if instance is None or instance.team is None:
            return Granted(None)
        match question.rule.target:
            case Target.ITSELF:
                return await self._itself(question, instance.team)
            case Target.DAG:
                return await self._dag(question, instance.team, instance.dag_id)
            case Target.CONNECTION:
                return self._connection(question, instance.team)
            case Target.VARIABLE | Target.VARIABLE_KEYS:
                return self._variable(question, instance.team)
            case Target.ASSET | Target.ASSET_EVENTS:
                return await self._asset(question, instance.team)
            case Target.ALIAS:
                return Granted(instance.team)  # the answer is filtered
            case _:
                raise RefusedError(Refusal.UNKNOWN, "The Execution API has nothing here for tasks")

    # --- who asks ----------------------------------------------------------------------------------------------------

    async def _caller(self, question: Question) -> Instance | None:
        """The asking instance, in its turn; None: it is gone, and Airflow says so in its workers' words."""
        rule, token = question.rule, question.token
        if rule.target is Target.ITSELF and question.matched.params.get("task_instance_id") != token.subject:
            raise RefusedError(Refusal.SOMEBODY_ELSE, "Token subject does not match task instance ID")
        instance = await self._facts.instance(token.subject, _beside(question))
        refusal = standing(instance, token, rule.turn, self._leeway)
        if refusal is None:
            return instance
        if refusal is Refusal.GONE and rule.turn is not Turn.WORK:
            return None
        state = instance.state if instance else None
        raise RefusedError(refusal, _WORDS[refusal].format(dag_id=instance.dag_id if instance else ""), state)

    async def _connection_test(self, question: Question) -> Granted:
        """It is no task's: the one that its token was made for, until it is over."""
        token = question.token
        if token.scope != STARTING_TOKEN or question.matched.params.get("connection_test_id") != token.subject:
            raise RefusedError(Refusal.SOMEBODY_ELSE, "Token subject does not match connection test ID")
        state = await self._facts.connection_test(token.subject)
        if state is None or state in _OVER:
            raise RefusedError(Refusal.GONE, "The connection test is over", state)
        return Granted(None)

    # --- what it asks for --------------------------------------------------------------------------------------------

    async def _itself(self, question: Question, team: str) -> Granted:
        if question.rule.emits:
            await self._events(question.body, team)
        return Granted(team)

    async def _dag(self, question: Question, team: str, own_dag: str) -> Granted:
        dag_id = question.matched.params.get("dag_id") or _one(question.query, "dag_id")
        owner = team if dag_id == own_dag else await self._facts.team_of_dag(dag_id)
        if not may(team, question.rule.action, question.rule.kind, owner):
            # The same for another team's Dag and for one that does not exist.
            raise RefusedError(Refusal.NOT_YOURS, f"Team {team} has no Dag {dag_id!r}, and this task is of team {team}")
        return Granted(team)

    def _connection(self, question: Question, team: str) -> Granted:
        name = question.matched.params["connection_id"]
        found = self._facts.connections
        owned = any(may(team, question.rule.action, question.rule.kind, owner) for owner in found.values())
        if not owned and not (question.rule.action is Action.READ and is_given(team, name)):
            raise RefusedError(Refusal.NOT_FOUND, f"Connection with ID {name} not found")
        return Granted(team)

    def _variable(self, question: Question, team: str) -> Granted:
        rule = question.rule
        if rule.target is Target.VARIABLE_KEYS:
            return Granted(team, prefix=f"{team}.{_one(question.query, 'prefix', default='')}")
        name = question.matched.params["variable_key"]
        found = self._facts.variables
        if rule.action is Action.READ:
            if not any(may(team, rule.action, rule.kind, owner) for owner in found.values()):
                raise RefusedError(Refusal.NOT_FOUND, f"Variable with key '{name}' not found")
            return Granted(team)
        stored = name_to_write(team, name, found)
        if stored is None or not may(team, rule.action, rule.kind, team):
            message = f"There is a variable {name!r} already that is not team {team}'s"
            raise RefusedError(Refusal.NOT_YOURS, message)
        return Granted(team, variable=stored)

    async def _asset(self, question: Question, team: str) -> Granted:
        rule = question.rule
        name = _one(question.query, "name", default="")
        uri = _one(question.query, "uri", default="")
        # By name where there is one, as Airflow does; an address alone stands for the active asset there.
        found = await self._facts.assets({name} if name else await self._facts.names_at({uri}))
        if not found or not all(_may_with(asset, team, rule.action) for asset in found):
            raise RefusedError(Refusal.NOT_YOURS, _not_shared(name or uri, team, rule.action))
        return Granted(team)

    async def _events(self, body: Any, team: str) -> None:
        """A task's report may post events on assets of its team, and on new ones."""
        names, uris, aliases = emitted(body)
        if len(names) + len(uris) + len(aliases) > MOST_ASSETS:
            raise RefusedError(Refusal.UNCLEAR, f"A task may update at most {MOST_ASSETS} assets")
        found = await self._facts.assets(names | await self._facts.names_at(uris))
        for asset in [*found, *[await self._facts.alias(alias) for alias in sorted(aliases)]]:
            if asset.known and not _may_with(asset, team, Action.POST):
                raise RefusedError(Refusal.NOT_YOURS, _not_shared(asset.name, team, Action.POST))


def _beside(question: Question) -> Beside:
    params, target = question.matched.params, question.rule.target
    return Beside(
        params.get("dag_id") if target is Target.DAG else None,
        params.get("connection_id") if target is Target.CONNECTION else None,
        params.get("variable_key") if target is Target.VARIABLE else None,
    )


def emitted(body: Any) -> tuple[set[str], set[str], set[str]]:
    """The names, the addresses and the aliases of assets that a task's report would post events on.

    :raises RefusedError: the report is not of the shape that Airflow's is
    """
    names: set[str] = set()
    uris: set[str] = set()
    aliases: set[str] = set()
    if not isinstance(body, dict):
        raise RefusedError(Refusal.UNCLEAR, "The report of a task must be a JSON object")
    for outlet in _objects(body, "task_outlets"):
        if outlet.get("type") == "AssetAlias":
            _add(aliases, outlet.get("name"))
        elif outlet.get("name"):
            _add(names, outlet["name"])
        else:
            _add(uris, outlet.get("uri"))
        if outlet.get("type") == "AssetUriRef":
            _add(uris, outlet.get("uri"))
    for event in _objects(body, "outlet_events"):
        key = event.get("dest_asset_key") or {}
        if not isinstance(key, dict):
            raise RefusedError(Refusal.UNCLEAR, "dest_asset_key must be a JSON object")
        _add(names, key.get("name"))
        _add(aliases, event.get("source_alias_name"))
    return names, uris, aliases


def _objects(body: dict[str, Any], field: str) -> Iterator[dict[str, Any]]:
    items = body.get(field) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise RefusedError(Refusal.UNCLEAR, f"{field} must be a list of JSON objects")
    yield from items


def _add(found: set[str], value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise RefusedError(Refusal.UNCLEAR, "Names and addresses of assets must be strings")
    found.add(value)


async def _visible(look: Look, team: str, answer: Any) -> Any:
    if isinstance(answer, list):
        readable = await _readable(look, team, {asset["name"] for asset in answer})
        return [asset for asset in answer if asset["name"] in readable]
    events = answer["asset_events"]
    readable = await _readable(look, team, {event["asset"]["name"] for event in events})
    own = await look.dags_of(team, {run["dag_id"] for event in events for run in event["created_dagruns"]})
    shown = [
        {**event, "created_dagruns": [run for run in event["created_dagruns"] if run["dag_id"] in own]}
        for event in events
        if event["asset"]["name"] in readable
    ]
    return {**answer, "asset_events": shown}


async def _readable(look: Look, team: str, names: set[str]) -> set[str]:
    return {asset.name for asset in await look.assets(names) if _may_with(asset, team, Action.READ)}


def _may_with(asset: AssetFacts, team: str, action: Action) -> bool:
    return may(team, action, Kind.ASSET, asset.owner, asset.readers)


def _one(query: QueryParams, name: str, *, default: str | None = None) -> str:
    """The one value: of several, somebody else might take another one."""
    values = query.getlist(name)
    if len(values) > 1 or (not values and default is None):
        raise RefusedError(Refusal.UNCLEAR, f"The query must name one {name}")
    return values[0] if values else str(default)


def _not_shared(name: str, team: str, action: Action) -> str:
    if action is Action.READ:
        how = f"The team that owns it shares it in its team file: assets: {{{name}: {{consumers: [{team}]}}}}"
        return f"There is no asset {name!r} of team {team}, or shared with it. {how}"
    return f"Asset {name!r} is not team {team}'s: only the team whose file names it, or that made it, may update it"


_WORDS: Mapping[Refusal, str] = {
    Refusal.GONE: "Task Instance not found, it may have been moved to the Task Instance History table",
    Refusal.NO_TEAM: "Dag {dag_id!r} belongs to no team, so its tasks may do nothing",
    Refusal.EARLIER_TURN: "The token was made before the task instance was queued again",
    Refusal.NOT_QUEUED: "TI was not in a state where it could be marked as running",
    Refusal.NOT_RUNNING: "TI is not in the running state, so it may do nothing",
    Refusal.WRONG_TOKEN: "Token type 'workload' not allowed for this endpoint. Allowed types: execution",
}
