"""Supervising what runs in a team's sandbox without being a task: callbacks of deadlines, and connection tests.

Neither has a token that the Execution API would answer for, so the supervisor answers itself, of the team's own alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import attrs
import structlog
from airflow import settings
from airflow.executors.workloads import ExecuteCallback, TestConnection
from airflow.sdk._shared.secrets_masker import reset_secrets_masker
from airflow.sdk.api.client import BearerAuth, Client
from airflow.sdk.api.datamodels._generated import ConnectionTestState
from airflow.sdk.execution_time import supervisor
from airflow.sdk.execution_time.callback_supervisor import CallbackSubprocess
from airflow.sdk.execution_time.comms import GetConnection, GetVariable, GetVariableKeys, MaskSecret
from pydantic import TypeAdapter

from airspace.airflow import sandbox_child
from airspace.airflow.callback_child import RunCallback, Tested, TestThis
from airspace.airflow.callbacks import CallbackLog
from airspace.airflow.child_process import ending
from airspace.airflow.execution.listening import Listening
from airspace.airflow.execution.told import told
from airspace.airflow.team_api import TeamClient
from airspace.model.names import short_name
from airspace.platform import bells
from airspace.sandbox.ports import Child, Sandboxes
from airspace.sandbox.relay.hearing import Hearing

_GRACE = 10  # seconds beyond its own limit, until a connection test is ended from outside
MOST_SECONDS = 300


class FailedError(Exception):
    """It did not succeed; the message is for the team."""


@dataclass(frozen=True)
class Errand:
    """Something that is done for a team in its sandbox.

    :param nice: how much its process steps back for others, in Unix's sense
    :param environment: of the process
    :param bundle_path: where the team's checkout is
    """

    team: str
    nice: int
    environment: Mapping[str, str]
    bundle_path: str


@attrs.define(kw_only=True)
class CallbackProcess(Listening, CallbackSubprocess):
    """A callback's process in its team's sandbox."""

    @classmethod
    def begin(cls, launch: Callable[[Sequence[int]], Child], first: Any, **fields: Any) -> Any:
        """Begin it, and tell it what to do. Nothing is forked here.

        :param first: the first message
        :raises SandboxError: it could not be put into the team's sandbox
        """
        process, _ = sandbox_child.supervised(cls, launch, lambda it: it.has_said, fields.pop("logger"), **fields)
        process.what = "The callback"
        process.send_msg(first, request_id=0)
        return process

    @property
    def has_said(self) -> bool:
        """Whether it told itself what became of it, for when nobody saw how it ended."""
        return False

    @property
    def is_late(self) -> bool:
        """Whether it had no more time."""
        most = self._get_callback_execution_timeout()
        return 0 < most < time.monotonic() - self.start_time

    def _upload_logs(self) -> None:
        """They stay where they are: a log store's connection is no team's."""


class TestProcess(CallbackProcess):
    """A connection test's process. It is given its one connection; all that it is asked for is how it went."""

    __test__ = False  # no test of pytest's

    decoder: ClassVar[TypeAdapter[Any]] = TypeAdapter(
        Tested | GetConnection | GetVariable | GetVariableKeys | MaskSecret
    )
    seconds: int = 0
    result: Tested | None = None

    @property
    def has_said(self) -> bool:
        """See above."""
        return self.result is not None

    def _handle_request(self, msg: Any, log: Any, req_id: int) -> None:  # noqa: ARG002  # Airflow's signature
        if isinstance(msg, Tested):
            self.result = self.result or msg
        elif isinstance(msg, MaskSecret):
            self.send_msg(None, request_id=req_id)
        else:
            self.spoil(f"it asked for more than its one connection ({type(msg).__name__})")

    def _get_callback_execution_timeout(self) -> int:
        return self.seconds + _GRACE


def run_callback(workload: ExecuteCallback, errand: Errand, sandboxes: Sandboxes) -> None:
    """Run a callback to its end.

    :raises SandboxError: it could not be put into its team's sandbox, so nothing of it was run
    :raises FailedError: it failed
    """
    supervisor._make_process_nondumpable()
    reset_secrets_masker()
    data, lines = workload.callback.data, CallbackLog(_log_path(workload))
    first = RunCallback(
        path=str(data["path"]),
        arguments=dict(data.get("kwargs") or {}),
        dag_rel_path=str(workload.dag_rel_path),
        bundle_path=errand.bundle_path,
    )
    title = f"airspace callback: {errand.team} {data.get('dag_id')} {workload.display_name}"
    try:
        with _begun(CallbackProcess, sandbox_child.CALLBACK, title, errand, sandboxes, first, lines) as process:
            stop_hearing = sandbox_child.log_refusals(
                process.selector, Hearing(bells.run_dir(), errand.team), lines.logger
            )
            try:
                code = process.wait()
            finally:
                stop_hearing()
        if process.spoiled is not None:
            raise FailedError(f"The callback was ended: {process.spoiled}")
        if code != 0 and process.is_late:
            raise FailedError("The callback was ended: it took longer than [callbacks] callback_execution_timeout")
        if code != 0:
            raise FailedError(lines.trouble or f"The process of the callback {ending(code)}")
    except Exception as error:
        lines.error(str(error))
        raise
    finally:
        lines.handle.close()
        settings.engine.dispose()  # what was asked for was looked up over connections of this process's own


def _log_path(workload: ExecuteCallback) -> str:
    """Airflow's own, of the names of Dag and run, unless these lead elsewhere: a Dag may be called `..`."""
    path = str(workload.log_path)
    return f"executor_callbacks/{workload.callback.id}" if ".." in path.split("/") else path


def test_connection(workload: TestConnection, errand: Errand, sandboxes: Sandboxes, client: Client) -> None:
    """Test a connection in its team's sandbox and tell the API server how it went.

    :raises Exception: the API server does not give the connection, or does not take the result
    """
    supervisor._make_process_nondumpable()
    reset_secrets_masker()
    client.auth = BearerAuth(workload.token)
    given = client.connection_tests.get_connection(workload.connection_test_id)
    fields = {name: getattr(given, name) for name in ("conn_type", "host", "login", "password", "port", "extra")}
    connection = {**fields, "conn_id": short_name(errand.team, given.conn_id), "schema": given.schema_}
    with contextlib.closing(Hearing(bells.run_dir(), errand.team)) as hearing:
        try:
            success, message = _tested(workload, errand, sandboxes, connection)
        except Exception as error:  # noqa: BLE001 - the test's door: what kept it from running is told to who asked for it
            success, message = False, f"It could not be tested: {error}"
        refused = [] if success else hearing.lines()
    state = ConnectionTestState.SUCCESS if success else ConnectionTestState.FAILED
    client.connection_tests.update_state(workload.connection_test_id, state, told(message, connection, refused))


def _tested(
    workload: TestConnection, errand: Errand, sandboxes: Sandboxes, connection: dict[str, Any]
) -> tuple[bool, str]:
    title = f"airspace connection test: {errand.team} {connection['conn_id']}"
    seconds = max(1, min(workload.timeout, MOST_SECONDS))
    first = TestThis(connection=connection, seconds=seconds)
    with _begun(TestProcess, sandbox_child.CONNECTION_TEST, title, errand, sandboxes, first, None) as process:
        process.seconds = seconds
        code = process.wait()
    if process.spoiled is not None:
        return False, f"The test was ended: {process.spoiled}"
    if process.result is None:
        return False, f"The test's process {ending(code)} without a result"
    return process.result.success, process.result.message


@contextlib.contextmanager
def _begun(
    kind: type[CallbackProcess],
    work: str,
    title: str,
    errand: Errand,
    sandboxes: Sandboxes,
    first: Any,
    lines: CallbackLog | None,
) -> Iterator[Any]:
    order = sandbox_child.order(work, title[:200], errand.environment, nice=errand.nice)
    children: list[Child] = []

    def launch(streams: Sequence[int]) -> Child:
        children.append(sandboxes.start(errand.team, order, streams))
        return children[-1]

    try:
        yield kind.begin(
            launch,
            first,
            id=UUID(int=0),
            client=TeamClient(errand.team),
            logger=lines.logger
            if lines
            else structlog.wrap_logger(structlog.ReturnLogger(), processors=[_nowhere]).bind(),
        )
    finally:
        for child in children:
            child.close()


def _nowhere(_logger: Any, _method: str, _line: Any) -> Any:
    """What a hook logs may hold the connection's secrets, and nobody is there to read it."""
    raise structlog.DropEvent
