"""What a team's triggers may ask for: their own team's things, by the rules that its tasks are held against.

Airflow's triggerer answers these for every team. Here each kind of message has a rule; one that has none is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from airflow.jobs.triggerer_job_runner import HITLDetailResponseResult
from airflow.sdk.api.client import ServerResponseError
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import comms, request_handlers
from airflow.sdk.execution_time.comms import ConnectionResult, ErrorResponse, OKResponse, VariableResult

from airspace.access.rules import Action, Kind
from airspace.access.tasks import may
from airspace.airflow.guard.facts import AssetFacts, Facts
from airspace.airflow.team_api import NotTheTeamsError, TeamApi

T = TypeVar("T")
MOST_NAMED = 1_000  # runs, tasks or dates in one question: each is a value in a query of the platform's
Answer = tuple[Any, dict[str, Any]]


@dataclass(frozen=True)
class _Rule:
    kind: Kind
    action: Action
    handle: Callable[[Any, Any], Any]


_RUN, _TASK, _XCOM, _ASSET = Kind.RUN, Kind.TASK_INSTANCE, Kind.XCOM, Kind.ASSET
_handlers = request_handlers

# Of a Dag, which the message names.
OF_DAG: Mapping[type, _Rule] = MappingProxyType(
    {
        comms.GetXCom: _Rule(_XCOM, Action.READ, _handlers.handle_get_xcom),
        comms.SetXCom: _Rule(_XCOM, Action.WRITE, _handlers.handle_set_xcom),
        comms.DeleteXCom: _Rule(_XCOM, Action.DELETE, _handlers.handle_delete_xcom),
        comms.GetDRCount: _Rule(_RUN, Action.READ, _handlers.handle_get_dr_count),
        comms.GetDagRunState: _Rule(_RUN, Action.READ, _handlers.handle_get_dag_run_state),
        comms.GetTICount: _Rule(_TASK, Action.READ, _handlers.handle_get_ti_count),
        comms.GetTaskStates: _Rule(_TASK, Action.READ, _handlers.handle_get_task_states),
        comms.GetPreviousTI: _Rule(_TASK, Action.READ, _handlers.handle_get_previous_ti),
    }
)
# Of an asset, by its name or its address.
OF_ASSET: Mapping[type, _Rule] = MappingProxyType(
    {
        comms.GetAssetStateStoreByName: _Rule(_ASSET, Action.READ, _handlers.handle_get_asset_state_store_by_name),
        comms.GetAssetStateStoreByUri: _Rule(_ASSET, Action.READ, _handlers.handle_get_asset_state_store_by_uri),
        comms.SetAssetStateStoreByName: _Rule(_ASSET, Action.WRITE, _handlers.handle_set_asset_state_store_by_name),
        comms.SetAssetStateStoreByUri: _Rule(_ASSET, Action.WRITE, _handlers.handle_set_asset_state_store_by_uri),
        comms.DeleteAssetStateStoreByName: _Rule(
            _ASSET, Action.DELETE, _handlers.handle_delete_asset_state_store_by_name
        ),
        comms.DeleteAssetStateStoreByUri: _Rule(
            _ASSET, Action.DELETE, _handlers.handle_delete_asset_state_store_by_uri
        ),
        comms.ClearAssetStateStoreByName: _Rule(
            _ASSET, Action.DELETE, _handlers.handle_clear_asset_state_store_by_name
        ),
        comms.ClearAssetStateStoreByUri: _Rule(_ASSET, Action.DELETE, _handlers.handle_clear_asset_state_store_by_uri),
    }
)
# Of the team's own names, which Airflow's handlers would also mask in this process, for all teams and for ever.
_OF_NAME = (
    comms.GetConnection, comms.GetVariable, comms.GetVariableKeys, comms.PutVariable, comms.DeleteVariable,
)  # fmt: skip
# Of a task instance that one of its triggers is for.
_OF_INSTANCE = (comms.GetHITLDetailResponse, comms.UpdateHITLDetail)
_OF_API = frozenset({*OF_DAG, *OF_ASSET, *_OF_INSTANCE})
ANSWERED = frozenset({*OF_DAG, *OF_ASSET, *_OF_NAME, *_OF_INSTANCE, comms.MaskSecret})


class Refused(Exception):  # noqa: N818  # what the author reads
    """It may not have that; the message says why."""


class Desk:
    """Answers for all teams; whose question it is, is the trusted caller's to say.

    :param client: of Airflow's own API in this process, which asks nobody who they are
    :param facts: what the guard knows of Dags and assets
    """

    def __init__(self, client: Callable[[], Any], facts: Facts) -> None:
        self._make_client = client
        self._client: Any = None
        self._warming: threading.Thread | None = None
        self._facts = facts
        self._teams = TeamApi()
        self._loop = asyncio.new_event_loop()

    def is_ready(self, message: Any) -> bool:
        """Whether it can be answered now: Airflow's own API, in this process, takes seconds to begin."""
        if self._client is not None or type(message) not in _OF_API:
            return True
        if self._warming is None or not self._warming.is_alive():
            self._warming = threading.Thread(target=self._warm, name="warm-up", daemon=True)
            self._warming.start()
        return False

    def _warm(self) -> None:
        client = self._make_client()
        with contextlib.suppress(ServerResponseError):
            client.dag_runs.get_count("")  # its routes are made at the first question
        self._client = client

    def answer(self, team: str, message: Any, instances: Collection[str]) -> Answer:
        """What is said to this message, and how it is written.

        :param instances: the task instances that the team's runner has triggers of
        """
        try:
            return self._answer(team, message, instances)
        except Refused as error:
            return _denied(str(error)), {}
        except ServerResponseError as error:
            status = error.response.status_code
            return ErrorResponse(
                error=ErrorType.API_SERVER_ERROR, detail={"status_code": status, "message": str(error)}
            ), {}

    def owners(self, names: Collection[str]) -> dict[str, str | None]:
        """Asset → the team that owns it."""
        return {asset.name: asset.owner for asset in self._ask(self._assets(names))} if names else {}

    def _answer(self, team: str, message: Any, instances: Collection[str]) -> Answer:
        kind = type(message)
        if kind is comms.MaskSecret:
            return None, {}  # its own process masks it; here it would be masked in everybody's lines, for ever
        if kind in OF_DAG:
            return self._of_dag(OF_DAG[kind], team, message)
        if kind in OF_ASSET:
            return self._of_asset(OF_ASSET[kind], team, message)
        if kind in _OF_INSTANCE:
            return self._of_instance(message, instances)
        if kind in _OF_NAME:
            return self._of_name(team, message)
        raise Refused(f"{kind.__name__} is not available in a trigger; do it in a task")

    def _of_dag(self, rule: _Rule, team: str, message: Any) -> Answer:
        for field in ("run_ids", "task_ids", "logical_dates", "states"):
            if len(getattr(message, field, None) or ()) > MOST_NAMED:
                raise Refused(f"a trigger may ask for at most {MOST_NAMED} {field} at once")
        if not may(team, rule.action, rule.kind, self._ask(self._team_of(message.dag_id))):
            # The same for another team's Dag and for one that does not exist.
            raise Refused(f"Team {team} has no Dag {message.dag_id!r}, and this trigger is of team {team}")
        answer: Answer = rule.handle(self._client, message)
        return answer

    def _of_asset(self, rule: _Rule, team: str, message: Any) -> Answer:
        name, uri = getattr(message, "name", None), getattr(message, "uri", None)
        found = self._ask(self._assets({name} if name else None, uri))
        if not found or not all(may(team, rule.action, Kind.ASSET, each.owner, each.readers) for each in found):
            raise Refused(f"There is no asset {name or uri!r} that triggers of team {team} may {rule.action}")
        answer: Answer = rule.handle(self._client, message)
        return answer if rule.action is Action.READ else (OKResponse(ok=True), {})

    def _of_instance(self, message: Any, instances: Collection[str]) -> Answer:
        if str(message.ti_id) not in instances:
            raise Refused("that is no task instance of a trigger that runs here")
        if isinstance(message, comms.UpdateHITLDetail):
            found = self._client.hitl.update_response(
                ti_id=message.ti_id, chosen_options=message.chosen_options, params_input=message.params_input
            )
        else:
            found = self._client.hitl.get_detail_response(ti_id=message.ti_id)
        return HITLDetailResponseResult.from_api_response(response=found), {}

    def _of_name(self, team: str, message: Any) -> Answer:
        own = self._teams.client(team)
        if isinstance(message, comms.GetConnection):
            connection = own.connections.get(message.conn_id)
            if isinstance(connection, ErrorResponse):
                return connection, {}
            return ConnectionResult.from_conn_response(connection), {"exclude_unset": True, "by_alias": True}
        if isinstance(message, comms.GetVariable):
            variable = own.variables.get(message.key)
            if isinstance(variable, ErrorResponse):
                return variable, {}
            return VariableResult.from_variable_response(variable), {"exclude_unset": True}
        if isinstance(message, comms.GetVariableKeys):
            found = own.variables.keys(prefix=message.prefix, limit=message.limit, offset=message.offset)
            return comms.VariableKeysResult(keys=found.keys, total_entries=found.total_entries), {}
        try:
            if isinstance(message, comms.PutVariable):
                own.variables.set(message.key, message.value, message.description)
            else:
                own.variables.delete(message.key)
        except NotTheTeamsError as error:
            raise Refused(str(error)) from None
        return OKResponse(ok=True), {}

    # --- what is known ---------------------------------------------------------------------------------------------

    def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(question)

    async def _team_of(self, dag_id: str) -> str | None:
        async with self._facts.look() as look:
            return await look.team_of_dag(dag_id) if "\0" not in dag_id else None

    async def _assets(self, names: Collection[str] | None, uri: str | None = None) -> list[AssetFacts]:
        if any("\0" in each for each in (*(names or ()), uri or "")):
            return []
        async with self._facts.look() as look:
            return await look.assets(names if names is not None else await look.names_at({uri or ""}))


def _denied(reason: str) -> ErrorResponse:
    return ErrorResponse(error=ErrorType.PERMISSION_DENIED, detail={"status_code": 403, "message": reason})
