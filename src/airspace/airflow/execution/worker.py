"""A worker: a warm process that supervises one workload after the other, and ends when its scheduler does.

Workers are processes, not threads, because Airflow's secrets masker is the process's. One that is busy when the
scheduler is killed sees its task through: the API server learns the end from it, not from the scheduler.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import httpx
import structlog
from airflow.executors import workloads
from airflow.sdk.api.client import Client
from pydantic import TypeAdapter
from setproctitle import setproctitle

from airspace.airflow.execution import callback_states, listening, outside_tasks, supervision
from airspace.airflow.execution.outside_tasks import Errand, FailedError
from airspace.airflow.execution.presence import TaskPresence
from airspace.airflow.guard.presence import PresenceCheck
from airspace.airflow.team_environment import team_environment
from airspace.model.home import HomeLayout
from airspace.platform import bells
from airspace.sandbox.client import SpawnerClient
from airspace.sandbox.ports import Sandboxes
from airspace.sandbox.relay.hearing import Hearing

log = structlog.get_logger(logger_name=__name__)

_HEADER = struct.Struct("!I")
_workload: TypeAdapter[Any] = TypeAdapter(workloads.ExecutorWorkload)


@dataclass(frozen=True)
class Job:
    """What is sent to a worker: a workload and the team that it is done for."""

    team: str
    workload: Any
    nice: int = 0

    def encode(self) -> bytes:
        """One frame."""
        body = json.dumps(
            {"team": self.team, "nice": self.nice, "workload": self.workload.model_dump(mode="json")}
        ).encode()
        return _HEADER.pack(len(body)) + body

    @staticmethod
    def decode(body: bytes) -> Job:
        """What ``encode`` made, without its header."""
        found = json.loads(body)
        return Job(found["team"], _workload.validate_python(found["workload"]), found["nice"])


@dataclass(frozen=True)
class Work:
    """What every job of a worker needs."""

    link: socket.socket
    server: str
    layout: HomeLayout
    presence: TaskPresence
    client: Client
    check_guard: PresenceCheck
    sandboxes: Sandboxes

    def say(self, **message: object) -> None:
        """Tell the executor; without one there is nobody to tell."""
        with contextlib.suppress(OSError):
            self.link.sendall(json.dumps(message).encode() + b"\n")


def serve(link: socket.socket, server: str, layout: HomeLayout, presence: TaskPresence) -> NoReturn:
    """Work until the executor closes the link."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(listening.KILL, signal.SIG_IGN)  # between two tasks there is nothing to end
    limits = httpx.Limits(max_keepalive_connections=1, max_connections=10)
    # One client for all jobs: a new connection and TLS context for each costs as much as a small task.
    client = Client(base_url=server, limits=limits, token="")
    work = Work(link, server, layout, presence, client, PresenceCheck(client.get), SpawnerClient(bells.run_dir()))
    while True:
        setproctitle("airspace supervisor: idle")
        body = _receive(link)
        if body is None:
            os._exit(0)
        _do(Job.decode(body), work)


def _do(job: Job, work: Work) -> None:
    setproctitle(f"airspace supervisor: {job.team} {job.workload.display_name}")
    try:
        used = _run(job, work)
    except FailedError as error:
        work.say(done=False, reason=str(error)[:2000])
    except Exception as error:  # the door of the process: whatever went wrong is told to the executor
        log.exception("The workload failed", workload=job.workload.display_name)
        work.say(done=False, reason=f"{type(error).__name__}: {error}"[:2000])
    else:
        work.say(done=True, used=used)


def _run(job: Job, work: Work) -> tuple[int, int, int] | None:
    """Do it; see :class:`airspace.airflow.execution.pool.Ended` for what comes back."""
    work.check_guard()
    if isinstance(job.workload, workloads.ExecuteTask):
        return _run_task(job, work)
    if isinstance(job.workload, workloads.ExecuteCallback):
        _run_callback(job, work)
    elif isinstance(job.workload, workloads.TestConnection):
        errand = Errand(job.team, job.nice, _environment(job.team, job, work), "")
        outside_tasks.test_connection(job.workload, errand, work.sandboxes, work.client)
    else:  # Airflow would run it right here, beside the tokens
        raise TypeError(f"{type(job.workload).__name__} is nothing that is run here")
    return None


def _run_task(job: Job, work: Work) -> tuple[int, int, int] | None:
    bundle = job.workload.bundle_info.name
    path, stored = str(work.layout.bundles / bundle), partial(work.say, stored=True)
    values = _environment(bundle, job, work)
    assignment = supervision.Assignment(job.workload, job.team, job.nice, values, path, stored)
    with work.presence.hold(str(job.workload.ti.id), job.team):
        hearing, begun = Hearing(bells.run_dir(), job.team), time.monotonic()
        used = supervision.supervise(assignment, work.client, work.sandboxes, hearing)
    return None if used is None else (used.cpu, int((time.monotonic() - begun) * 1000), used.memory)


def _run_callback(job: Job, work: Work) -> None:
    """Its end is stored from here: the scheduler that asked for it may be gone by then."""
    bundle, callback_id = job.workload.bundle_info.name, job.workload.callback.id
    errand = Errand(job.team, job.nice, _environment(bundle, job, work), str(work.layout.bundles / bundle))
    with work.presence.hold(callback_id, job.team):
        try:
            outside_tasks.run_callback(job.workload, errand, work.sandboxes)
        except Exception as error:
            callback_states.store(callback_id, str(error)[:2000])
            raise
        callback_states.store(callback_id, None)


def _environment(bundle: str, job: Job, work: Work) -> dict[str, str]:
    return team_environment(work.layout, bundle, job.team, dict(os.environ))


def _receive(link: socket.socket) -> bytes | None:
    header = _exactly(link, _HEADER.size)
    return None if header is None else _exactly(link, _HEADER.unpack(header)[0])


def _exactly(link: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        try:
            part = link.recv(size - len(parts))
        except ConnectionError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)
