"""The process that reads one Dag file: a team's code, with the team's environment.

Its parent reads what it says as a stranger's words: bounded, and never waiting for it. What it may ask for is the
team's own connections and variables, and, where it runs a callback, what Airflow tells callbacks about the team's runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
from airflow.dag_processing.processor import DagFileParsingResult, DagFileProcessorProcess
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time.comms import (
    DeleteVariable,
    ErrorResponse,
    GetConnection,
    GetPreviousDagRun,
    GetPreviousTI,
    GetPrevSuccessfulDagRun,
    GetTaskStates,
    GetTICount,
    GetVariable,
    GetVariableKeys,
    GetXCom,
    GetXComCount,
    GetXComSequenceItem,
    GetXComSequenceSlice,
    MaskSecret,
    PutVariable,
)

from airspace.airflow import sandbox_child
from airspace.airflow.child_process import ending as in_words
from airspace.airflow.child_process import was_killed
from airspace.airflow.stream import Frames, Meter, SpoiledError
from airspace.airflow.team_api import NotTheTeamsError
from airspace.model.limits import CodeLimits
from airspace.platform import bells
from airspace.sandbox.ports import Child
from airspace.sandbox.relay.hearing import Hearing

_NAMES = (GetConnection, GetVariable, GetVariableKeys, PutVariable, DeleteVariable)
"""Answered whenever a team's code asks: by :class:`airspace.airflow.team_api.TeamClient`, of the team's own alone."""
_OF_A_DAG = (
    GetXCom, GetXComCount, GetXComSequenceItem, GetXComSequenceSlice,
    GetTICount, GetTaskStates, GetPreviousTI, GetPreviousDagRun,
)  # fmt: skip
"""Answered in callbacks, of the team's own Dags."""


@attrs.define(kw_only=True, slots=False)
class TeamParseProcess(DagFileProcessorProcess):
    """Airflow's parse process, whose end is noticed at once and whose messages are nobody's orders."""

    child: Child
    limits: CodeLimits = attrs.field(factory=CodeLimits)
    spoiled: str | None = attrs.field(default=None, init=False)
    """Why its parent would not listen any longer."""
    _stop_watching: Callable[[], None] = attrs.field(default=lambda: None, init=False)
    _stop_hearing: Callable[[], None] = attrs.field(default=lambda: None, init=False)
    _answers: sandbox_child.Answers = attrs.field(default=None, init=False)
    _frames: Frames = attrs.field(default=None, init=False)

    @classmethod
    def start(
        cls,
        *,
        path: str | os.PathLike[str],
        bundle_path: Path,
        callbacks: list[Any],
        logger: Any,
        launch: Callable[[Sequence[int]], Child],
        **kwargs: Any,
    ) -> TeamParseProcess:
        """Order it. Nothing is forked here, and nothing waits for the team's sandbox: it begins when it does.

        :param callbacks: those that it runs instead of telling what the file holds
        :raises SandboxError: it could not be put into the team's sandbox
        :raises SpoiledError: what it would have to be told is too long
        """
        process: TeamParseProcess
        process, process._stop_watching = sandbox_child.supervised(
            cls, launch, lambda it: it.parsing_result is not None, logger, **kwargs
        )
        process.had_callbacks = bool(callbacks)
        hearing = Hearing(bells.run_dir(), kwargs["bundle_name"])
        process._stop_hearing = sandbox_child.log_refusals(process.selector, hearing, logger)
        try:
            process._on_child_started(callbacks, path, bundle_path, kwargs["bundle_name"])
        except BaseException:
            process.spoil("it could not be told what to do")
            process.give_up()
            process.cleanup_sockets_after_kill()
            raise
        return process

    def _check_subprocess_exit(self, *args: Any, **kwargs: Any) -> int | None:
        code: int | None = super()._check_subprocess_exit(*args, **kwargs)
        if code is not None:
            self.give_up()
        return code

    def give_up(self) -> None:
        """Whatever still runs of it is killed. Asked for again and again: the second time there is nothing to do."""
        for stop in (self._stop_watching, self._stop_hearing):
            stop()
        self._stop_watching = self._stop_hearing = lambda: None
        self.child.close()

    @property
    def ending(self) -> int | None:
        """The exit code, once it is known."""
        return self._exit_code

    @property
    def was_killed(self) -> bool:
        """Whether it ended by a signal that anybody may have sent, and not by what it said."""
        return self.spoiled is None and was_killed(self._exit_code)

    @property
    def how_it_ended(self) -> str:
        """In words, where it told nothing."""
        if self.spoiled is not None:
            return f"was ended: {self.spoiled}"
        return f"{in_words(self._exit_code)} before it had read its Dags"

    # --- what it says ------------------------------------------------------------------------------------------------

    def _register_pipe_readers(
        self,
        stdout: socket.socket,
        stderr: socket.socket,
        requests: socket.socket,
        logs: socket.socket,
        *,
        data: dict[socket.socket, bytes],
    ) -> None:
        """As Airflow does, with a bound around each of its readers and a reader of our own for the requests."""
        super()._register_pipe_readers(stdout, stderr, requests, logs, data=data)
        meter = Meter(self.limits.log_bytes, "it printed too much while it was read: print inside a task")
        self._frames = Frames(
            self._on_frame,
            most_bytes=self.limits.message_bytes,
            most_containers=self.limits.message_containers,
            most=self.limits.requests,
            advice="divide the file into several",
        )
        self._answers = sandbox_child.Answers(self.selector, requests, self.limits.message_bytes)
        guarded = partial(sandbox_child.ending_alone, spoil=self.spoil)
        sandbox_child.bound(self.selector, (stdout, stderr, logs), requests, meter, self._frames, guarded)

    def spoil(self, reason: str) -> None:
        """Listen no longer, and kill it."""
        if self.spoiled is None:
            self.spoiled = reason
        self.parsing_result = None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)

    def _on_frame(self, frame: bytes) -> None:
        request_id, message = sandbox_child.read_message(frame, self.decoder)
        if isinstance(message, DagFileParsingResult):
            if self.parsing_result is not None:
                raise SpoiledError("it sent two results")
            if self.spoiled is None:
                self.parsing_result = message
            self.send_msg(None, request_id=request_id)
        else:
            self._answer(message, request_id)

    def _answer(self, message: Any, request_id: int) -> None:
        if isinstance(message, MaskSecret):
            # What is masked here would be masked in everybody's lines and slow every one of them, for ever.
            self.send_msg(None, request_id=request_id)
            return
        of_a_dag = self.had_callbacks and isinstance(message, _OF_A_DAG)
        if not of_a_dag and not isinstance(message, (*_NAMES, *((GetPrevSuccessfulDagRun,) * self.had_callbacks))):
            reason = f"{type(message).__name__} is not available while a Dag file is read; do it in a task"
            self._refuse(reason, request_id)
            return
        try:
            if of_a_dag:
                self.client.permit(message)
            self._handle_request(message, self.process_log, request_id)
        except SpoiledError:
            raise
        except NotTheTeamsError as error:
            self._refuse(f"{type(message).__name__} was refused: {error}", request_id)
        except Exception as error:  # noqa: BLE001 - a database that is away is the platform's trouble, and told as such
            self.process_log.error("The platform could not answer", error_type=type(error).__name__)
            trouble = {"status_code": 503, "message": "the platform could not answer; try again"}
            self.send_msg(None, request_id, ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=trouble))

    def _refuse(self, reason: str, request_id: int) -> None:
        """Airflow would answer these for any team's Dags and variables."""
        self.process_log.error(reason)
        detail = {"status_code": 403, "message": reason}
        self.send_msg(None, request_id, ErrorResponse(error=ErrorType.PERMISSION_DENIED, detail=detail))

    # --- what it is told ---------------------------------------------------------------------------------------------

    def send_msg(self, msg: Any, request_id: int, error: ErrorResponse | None = None, **dump_opts: Any) -> None:
        """Answer without waiting for the process to read: what it does not take now is sent on when it does."""
        self._answers.send(self, msg, request_id, error, **dump_opts)


def work(team: str, rel_path: str, values: Mapping[str, str], what: str = "parse") -> dict[str, Any]:
    """What the team's zygote is told to do."""
    return sandbox_child.order(sandbox_child.PARSE, f"airspace {what}: {team} {rel_path}"[:200], values)
