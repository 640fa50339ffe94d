"""Another Airflow by its REST API: ``/api/v2`` of Airflow 3, ``/api/v1`` of Airflow 2.9 and newer.

Neither tells passwords. What it masks is marked as hidden, so that the draft asks for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from airspace.backends.old_airflow.bounded import BoundedClient, SourceError
from airspace.importing import records
from airspace.importing.deployment import Deployment, OldConnection, OldDag, OldUser
from airspace.importing.records import Row

T = TypeVar("T")


@dataclass(frozen=True)
class Credentials:
    """How to sign in there: a token, or a name and a password."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


def read_rest(url: str, given: Credentials, *, tell: Callable[[str], None] = lambda _: None) -> Deployment:
    """Everything that the API tells.

    :param url: where its UI is; a name and password in it count, too
    :param tell: hears what is being read
    :raises SourceError: it cannot be reached, or refuses
    """
    url, given = _without_credentials(url, given)
    client = BoundedClient(url)
    try:
        newer = client.send("GET", "/api/v2/version")
        if newer.status == 200:
            return _Version2(client, given, tell).read(_version(newer.body))
        older = client.send("GET", "/api/v1/version")
        if older.status in (200, 401, 403):
            return _Version1(client, given, tell).read()
        raise SourceError(
            f"{url} answers neither as Airflow 3 ({newer.status}) nor as Airflow 2 ({older.status})",
            fix="give the address of its UI; for Airflow 2 its API has to be switched on ([api] auth_backends)",
        )
    finally:
        client.close()


def _without_credentials(url: str, given: Credentials) -> tuple[str, Credentials]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise SourceError("this is no address", fix="for example https://airflow.example") from None
    if parts.scheme not in ("http", "https") or not host:
        raise SourceError("this is no address of an Airflow", fix="for example https://airflow.example") from None
    place = f"[{host}]" if ":" in host else host
    plain = urlunsplit((parts.scheme, f"{place}:{port}" if port else place, parts.path, "", ""))
    if parts.username and not given.token:
        given = Credentials(unquote(parts.username), unquote(parts.password or ""), None)
    return plain, given


def _version(body: Any) -> str:
    found = body.get("version") if isinstance(body, dict) else None
    return found[:50] if isinstance(found, str) else ""


class _Reader(ABC):
    """What both versions have in common."""

    prefix = ""

    def __init__(self, client: BoundedClient, given: Credentials, tell: Callable[[str], None]) -> None:
        self.client = client
        self.given = given
        self.tell = tell
        self.notes: list[str] = []

    def all(self, path: str, key: str, make: Callable[[Row], T]) -> tuple[T, ...]:
        """Every thing of a list that must be readable."""
        self.tell(f"read {key}")
        made, bad = records.each(self.client.rows(path, key), make)
        if bad:
            self.notes.append(f"{bad} entries of {key} were none and are left out.")
        return tuple(made)

    def perhaps(self, path: str, key: str, make: Callable[[Row], T]) -> tuple[T, ...] | None:
        """The same for a list that not every deployment has."""
        try:
            return self.all(path, key, make)
        except SourceError:
            return None

    @abstractmethod
    def connection(self, row: Row) -> OldConnection:
        """A connection; the list leaves out what one has to ask for singly."""

    def with_sources(self, dags: Iterable[OldDag], ask: Callable[[OldDag], str | None]) -> tuple[OldDag, ...]:
        """The Dags with the text of their files, each file asked for once."""
        known: dict[str, str | None] = {}
        found = []
        for dag in dags:
            key = f"{dag.bundle}:{dag.file or dag.dag_id}"
            if key not in known:
                self.tell(f"read the source of {len(known) + 1} files")
                known[key] = ask(dag)
            found.append(replace(dag, source=known[key]))
        if any(source is None for source in known.values()):
            self.notes.append("The source of some Dag files could not be read, so what they use is not known.")
        return tuple(found)

    def people(self, prefixes: Iterable[str]) -> tuple[tuple[OldUser, ...], dict[str, frozenset[tuple[str, str]]]]:
        """Users and roles of FAB, where there is FAB."""
        for prefix in prefixes:
            roles = self.perhaps(f"{prefix}/roles", "roles", records.role)
            if roles is None:
                continue
            users = self.perhaps(f"{prefix}/users", "users", records.user)
            if users is None and self.given.user:
                # Airflow 3 with FAB 3.0 and older: its users are behind another door, which takes no token.
                self.client.headers, self.client.basic = {}, (self.given.user, self.given.password or "")
                users = self.perhaps(f"{prefix}/users", "users", records.user)
            if users is None:
                self.notes.append("Users could not be read, roles could. Import from its database, or write members.")
            return users or (), dict(roles)
        self.notes.append("Users and roles could not be read: not FAB, or not an administrator. Write members by hand.")
        return (), {}

    def text(self, path: str) -> str | None:
        """The source of a file; None where it cannot be read."""
        try:
            reply = self.client.send("GET", path)
        except SourceError:
            return None
        found = reply.body.get("content") if isinstance(reply.body, dict) else reply.body
        return found if reply.status == 200 and isinstance(found, str) and len(found) <= records.SOURCE else None


class _Version1(_Reader):
    """Airflow 2: basic authentication, or a token for backends that take one."""

    def read(self) -> Deployment:
        if self.given.token:
            self.client.headers = {"Authorization": f"Bearer {self.given.token}"}
        elif self.given.user:
            self.client.basic = (self.given.user, self.given.password or "")
        version = self.client.send("GET", "/api/v1/version")
        tokens: dict[str, str] = {}

        def dag(row: Row) -> OldDag:
            made = records.dag(row)
            if isinstance(token := row.get("file_token"), str):
                tokens[made.dag_id] = token
            return made

        dags = self.all("/api/v1/dags", "dags", dag)
        sourced = self.with_sources(dags, lambda d: self.text(f"/api/v1/dagSources/{_safe(tokens.get(d.dag_id, ''))}"))
        connections = self.all("/api/v1/connections", "connections", self.connection)
        variables = self.all("/api/v1/variables", "variables", records.variable)
        pools = self.all("/api/v1/pools", "pools", records.pool)
        users, roles = self.people(("/api/v1", "/auth/fab/v1"))
        return Deployment(
            _version(version.body), sourced, connections, variables, pools, users, roles, tuple(self.notes)
        )

    def connection(self, row: Row) -> OldConnection:
        """Only a single connection's answer holds its ``extra``."""
        listed = records.connection(row, hidden=("password",))
        reply = self.client.send("GET", f"/api/v1/connections/{_safe(listed.name)}")
        if reply.status != 200 or not isinstance(reply.body, dict):
            return replace(listed, hidden=listed.hidden | {"extra"})
        return records.connection({**reply.body, "connection_id": listed.name}, hidden=("password",))


class _Version2(_Reader):
    """Airflow 3: a token, or one for a name and a password."""

    def read(self, version: str) -> Deployment:
        token = self.given.token or self._token()
        if token:
            self.client.headers = {"Authorization": f"Bearer {token}"}
        dags = self.all("/api/v2/dags", "dags", records.dag)
        sourced = self.with_sources(dags, lambda dag: self.text(f"/api/v2/dagSources/{_safe(dag.dag_id)}"))
        connections = self.all("/api/v2/connections", "connections", self.connection)
        variables = self.all("/api/v2/variables", "variables", records.variable)
        pools = self.all("/api/v2/pools", "pools", records.pool)
        users, roles = self.people(("/auth/fab/v1",))
        return Deployment(version, sourced, connections, variables, pools, users, roles, tuple(self.notes))

    def connection(self, row: Row) -> OldConnection:
        """A password that is set is masked; one that is not is null."""
        return records.connection(row)

    def _token(self) -> str | None:
        if not self.given.user:
            return None
        body = {"username": self.given.user, "password": self.given.password or ""}
        reply = self.client.send("POST", "/auth/token", body=body)
        found = reply.body.get("access_token") if isinstance(reply.body, dict) else None
        if not isinstance(found, str) or not found.isascii() or not found.isprintable():
            raise SourceError(
                f"{self.given.user!a} could not sign in there: {reply.status}",
                fix="check AIRSPACE_IMPORT_USER and AIRSPACE_IMPORT_PASSWORD, or give AIRSPACE_IMPORT_TOKEN",
            )
        return found


def _safe(segment: str) -> str:
    """One segment of a path, whatever a stranger calls it: dots alone would lead to another address."""
    quoted = quote(segment, safe="")
    return quoted.replace(".", "%2E") if set(segment) <= {"."} else quoted
