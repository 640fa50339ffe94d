"""Load right after the platform's start what its first task would otherwise wait seconds for."""

from __future__ import annotations

import logging
import socket
import time
import uuid
from datetime import datetime, timedelta, timezone

log = logging.getLogger(__name__)

PATIENCE = 120.0
_AHEAD = 20.0
"""Seconds that the other components are let go ahead: what they need to be ready is needed sooner."""
_OTHERS = 3  # scheduler, Dag processor, triggerer: each is a job


def warm_execution_api() -> None:
    """Have the Execution API answer once: asked for a task instance that does not exist, with a token made for it."""
    from airflow.api_fastapi.auth.tokens import JWTGenerator, get_signing_args
    from airflow.configuration import conf
    from airflow.executors.base_executor import get_execution_api_server_url
    from airflow.sdk.api.client import Client, ServerResponseError

    begun = datetime.now(tz=timezone.utc)
    if not listening(conf.get("api", "host"), conf.getint("api", "port")):
        return
    _let_others_start(begun)
    nobody = uuid.uuid4()
    generator = JWTGenerator(
        valid_for=60,
        audience=conf.get_mandatory_list_value("execution_api", "jwt_audience")[0],
        issuer=conf.get("api_auth", "jwt_issuer", fallback=None),
        **get_signing_args(make_secret_key_if_needed=False),
    )
    token = generator.generate(extras={"sub": str(nobody), "scope": "workload"})
    with Client(base_url=get_execution_api_server_url(), token=token) as client:
        try:
            client.task_instances.start(nobody, 0, datetime.now(tz=timezone.utc))
        except ServerResponseError:
            log.debug("The Execution API is warm")  # "not found", as it should be
        except Exception:  # the door of a thread whose only purpose is speed
            log.warning("The Execution API could not be warmed", exc_info=True)


def listening(host: str, port: int) -> bool:
    """Wait until this process serves; False when it does not come to that."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return True
    return False


def _let_others_start(begun: datetime) -> None:
    """Wait until every other component was heard of, or long enough."""
    from airflow.jobs.job import Job
    from airflow.utils.session import create_session
    from sqlalchemy import select

    ask = select(Job.job_type).where(Job.latest_heartbeat >= begun - timedelta(seconds=5)).distinct()
    deadline = time.monotonic() + _AHEAD
    while time.monotonic() < deadline:
        with create_session() as session:
            if len(session.scalars(ask).all()) >= _OTHERS:
                return
        time.sleep(0.5)
