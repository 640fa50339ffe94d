"""What a sandbox does for a callback of a deadline and for a connection test.

Airflow's own functions do both. Airflow hands them their data by a fork of the supervisor; here nothing of the
supervisor's is in the process, so the first thing that comes down the way of requests is what to do.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Literal

import structlog
from airflow.sdk.definitions.connection import Connection
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.callback_supervisor import execute_callback
from airflow.sdk.execution_time.comms import CommsDecoder, _RequestFrame
from airflow.sdk.execution_time.timeout import TimeoutPosix
from pydantic import BaseModel


class RunCallback(BaseModel):
    """What to call, and where it is found."""

    path: str
    arguments: dict[str, Any]
    dag_rel_path: str
    bundle_path: str
    type: Literal["RunCallback"] = "RunCallback"


class TestThis(BaseModel):
    """The one connection to test, under its short name."""

    __test__ = False  # no test of pytest's

    connection: dict[str, Any]
    seconds: int
    type: Literal["TestThis"] = "TestThis"


class Tested(BaseModel):
    """What came out."""

    success: bool
    message: str
    type: Literal["Tested"] = "Tested"


def run_callback() -> None:
    """Be the process of a callback."""
    comms, body = _begin()
    asked = RunCallback.model_validate(body)
    task_runner.SUPERVISOR_COMMS = comms
    sys.path.append(asked.bundle_path)
    log = structlog.get_logger(logger_name="callback")
    success, error = execute_callback(asked.path, asked.arguments, asked.dag_rel_path, asked.bundle_path, log)
    if not success:
        log.error("Callback failed", error=error)
        sys.exit(1)


def test_connection() -> None:
    """Be the process of a connection test."""
    comms, body = _begin()
    asked = TestThis.model_validate(body)
    task_runner.SUPERVISOR_COMMS = comms
    try:
        with TimeoutPosix(seconds=asked.seconds, error_message=f"it took longer than {asked.seconds} s"):
            success, message = Connection(**asked.connection).test_connection()
    except BaseException as error:  # noqa: BLE001 - the end of a process: whatever a hook raises is its answer
        success, message = False, f"{type(error).__name__}: {error}"
    told = Tested(success=bool(success), message=str(message)[:10_000])
    comms.socket.sendall(_RequestFrame(id=0, body=told.model_dump()).as_bytes())


def _begin() -> tuple[CommsDecoder[Any, Any], Any]:
    # As in tasks: what is asked goes to the supervisor, and no other way is tried.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "client"
    comms: CommsDecoder[Any, Any] = CommsDecoder()
    return comms, comms._read_frame().body
