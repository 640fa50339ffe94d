"""Sign in, ask, read: a thin client over httpx."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from airspace.backends.airflow_rest.records import Asset, AssetEvent, Dag, Run, TaskInstance
from airspace.model.errors import AirspaceError

TIMEOUT = httpx.Timeout(30.0, connect=5.0)  # seconds; the first request to a cold API worker takes a few
RETRY_PAUSES = (0.2, 0.5, 1.0, 2.0)  # seconds; for reads that the server failed to answer
PAGE = 100  # Airflow's own [api] maximum_page_limit


class RestError(AirspaceError):
    """Airflow's REST API could not be reached or refused a call that should have worked.

    ``status`` is 0 when there was no answer. The message holds method, path and Airflow's words; never a token, a
    password or a request body.
    """

    def __init__(self, message: str, *, status: int = 0, fix: str | None = None) -> None:
        super().__init__(message, fix=fix)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """Status, decoded body and headers of one call: for callers to whom a refusal is a result, not an error."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether Airflow did what was asked."""
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """Airflow's explanation, shortened to one line."""
        detail = self.body.get("detail", "") if isinstance(self.body, Mapping) else self.body
        return " ".join(str(detail or "").split())[:300]


class Airflow:
    """One Airflow deployment, seen by its URL. ``http`` may be any httpx client (a test brings one over an app)."""

    def __init__(self, url: str, *, http: httpx.Client | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = http or httpx.Client(timeout=TIMEOUT, trust_env=False)

    def __enter__(self) -> Airflow:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
    ) -> Answer:
        """One call; any HTTP status is an answer, no connection is a :class:`RestError`.

        A read that ends in a server error is asked again a few times: Airflow 3.3.2, for one, answers 500 to asset
        events for the moment in which a run that they caused has not begun.
        """
        pauses = iter(RETRY_PAUSES if method == "GET" else ())
        while True:
            answer = self._send_once(method, path, token, json, params)
            pause = next(pauses, None) if answer.status >= 500 else None
            if pause is None:
                return answer
            time.sleep(pause)

    def _send_once(
        self, method: str, path: str, token: str | None, json: Any, params: Mapping[str, Any] | None
    ) -> Answer:
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            reply = self._http.request(method, self.url + path, headers=headers, json=json, params=params)
        except httpx.HTTPError as error:
            # The exception's own text may quote the request; its class says enough.
            raise RestError(
                f"{method} {path}: no answer from {self.url} ({type(error).__name__})", fix="airspace status"
            ) from None
        try:
            body = reply.json() if reply.content else None
        except ValueError:
            body = reply.text[:300]
        return Answer(reply.status_code, body, reply.headers)

    def anonymous(self, method: str, path: str) -> Answer:
        """A call to the public API without any credential."""
        return self.send(method, "/api/v2" + path)

    def sign_in(self, name: str, password: str) -> Session:
        """A session of this user, by the route that every Airflow auth manager offers."""
        answer = self.send("POST", "/auth/token", json={"username": name, "password": password})
        if not answer.ok or not isinstance(answer.body, Mapping) or "access_token" not in answer.body:
            raise RestError(f"{name} could not sign in: {answer.status}", status=answer.status, fix="airspace demo")
        return Session(self, name, str(answer.body["access_token"]))


class Session:
    """One signed-in user's view of the deployment."""

    def __init__(self, airflow: Airflow, name: str, token: str) -> None:
        self.airflow = airflow
        self.name = name
        self._token = token

    def __repr__(self) -> str:
        return f"Session({self.name!r})"

    def ask(self, method: str, path: str, json: Any = None, **params: Any) -> Answer:
        """One call below ``/api/v2``; a refusal is an answer."""
        given = {key: value for key, value in params.items() if value is not None}
        return self.airflow.send(method, "/api/v2" + path, token=self._token, json=json, params=given or None)

    def ask_pages(self, path: str, **params: Any) -> Answer:
        """What one of our own pages asks, below ``/airspace/api``; a refusal is an answer."""
        return self.airflow.send("GET", "/airspace/api" + path, token=self._token, params=params)

    def call(self, method: str, path: str, json: Any = None, **params: Any) -> Any:
        """One call that must work; its body."""
        answer = self.ask(method, path, json, **params)
        if not answer.ok:
            raise RestError(
                f"{method} {path} as {self.name}: {answer.status} {answer.words}".rstrip(), status=answer.status
            )
        return answer.body

    def _rows(self, path: str, key: str, **params: Any) -> Iterator[Mapping[str, Any]]:
        offset = 0
        while True:
            page = self.call("GET", path, limit=PAGE, offset=offset, **params)
            yield from page[key]
            offset += len(page[key])
            if not page[key] or offset >= page["total_entries"]:
                return

    def dags(self, *, bundle: str | None = None) -> list[Dag]:
        """The Dags this user may read."""
        return [Dag.of(raw) for raw in self._rows("/dags", "dags", bundle_name=bundle, order_by="dag_id")]

    def runs(self, dag_id: str = "~", **params: Any) -> list[Run]:
        """Runs, newest first (``~``: of all Dags this user may read)."""
        rows = self._rows(f"/dags/{_safe(dag_id)}/dagRuns", "dag_runs", order_by="-run_after", **params)
        return [Run.of(raw) for raw in rows]

    def recent_runs(self, dag_id: str, count: int = 5) -> list[Run]:
        """The newest runs of one Dag."""
        page = self.call("GET", f"/dags/{_safe(dag_id)}/dagRuns", limit=count, order_by="-id")
        return [Run.of(raw) for raw in page["dag_runs"]]

    def run(self, dag_id: str, run_id: str) -> Run:
        """One run."""
        return Run.of(self.call("GET", f"/dags/{_safe(dag_id)}/dagRuns/{_safe(run_id)}"))

    def trigger(self, dag_id: str, *, run_id: str | None = None, conf: Mapping[str, Any] | None = None) -> Run:
        """Start a run now."""
        body = {"logical_date": None, "conf": dict(conf or {})} | ({"dag_run_id": run_id} if run_id else {})
        return Run.of(self.call("POST", f"/dags/{_safe(dag_id)}/dagRuns", body))

    def set_run_state(self, dag_id: str, run_id: str, state: str) -> None:
        """Mark a run (``success``, ``failed``); its tasks are ended."""
        self.call("PATCH", f"/dags/{_safe(dag_id)}/dagRuns/{_safe(run_id)}", {"state": state})

    def unpause(self, dag_id: str) -> None:
        """Let the Dag's runs start."""
        self.call("PATCH", f"/dags/{_safe(dag_id)}", {"is_paused": False})

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """The tasks of one run."""
        path = f"/dags/{_safe(dag_id)}/dagRuns/{_safe(run_id)}/taskInstances"
        return [TaskInstance.of(raw) for raw in self._rows(path, "task_instances")]

    def assets(self) -> list[Asset]:
        """The assets this user may read."""
        return [Asset.of(raw) for raw in self._rows("/assets", "assets", order_by="id")]

    def asset_events(self, **params: Any) -> list[AssetEvent]:
        """Publications, newest first."""
        return [
            AssetEvent.of(raw) for raw in self._rows("/assets/events", "asset_events", order_by="-timestamp", **params)
        ]

    def upstream_events(self, dag_id: str, run_id: str) -> list[AssetEvent]:
        """The publications that started this run."""
        found = self.call("GET", f"/dags/{_safe(dag_id)}/dagRuns/{_safe(run_id)}/upstreamAssetEvents")
        return [AssetEvent.of(raw) for raw in found["asset_events"]]

    def published_by(self, dag_id: str, run_id: str) -> set[int]:
        """The numbers of the events that this run published."""
        return {event.event_id for event in self.asset_events(source_dag_id=dag_id, source_run_id=run_id)}

    def heard_by(self, dag_id: str, run_id: str) -> set[int]:
        """The numbers of the events that started this run."""
        return {event.event_id for event in self.upstream_events(dag_id, run_id)}

    def names(self, kind: str) -> list[str]:
        """The names of the ``connections``, ``variables`` or ``pools`` this user may read."""
        key = {"connections": "connection_id", "variables": "key", "pools": "name"}[kind]
        return [str(raw[key]) for raw in self._rows(f"/{kind}", kind)]


def _safe(segment: str) -> str:
    return segment if segment == "~" else quote(segment, safe="")
