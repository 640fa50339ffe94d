"""What apply hands to the admin worker: a team with its secrets resolved, as JSON over a pipe and nowhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airspace.model.secret import SecretRef
from airspace.model.team import Connection, Team

_SENSITIVE = re.compile(r"pass|secret|token|key|credential|auth|private", re.IGNORECASE)

KeyPath = tuple[str, ...]


@dataclass(frozen=True)
class DesiredConnection:
    """One connection: the fields as Airflow names them, or a URI; and which of them are secret."""

    fields: dict[str, Any] = field(repr=False)
    secret: tuple[str, ...] = ()


@dataclass(frozen=True)
class DesiredVariable:
    """One variable as Airflow stores it."""

    text: str = field(repr=False)
    secret: bool = False


@dataclass(frozen=True)
class DesiredTeam:
    """One team as it shall be.

    :param spec: the validated file without secrets, kept in the database
    :param folder: where its Dags come from, absolute; empty when ``remote`` says it
    :param kept: resources that stay as they are: their secrets were not looked up
    :param remote: what ``plan`` shows of a remote source, and ``credential``: what it is fetched with
    """

    name: str
    title: str
    bundle: str
    slots: int
    folder: str
    spec: dict[str, Any]
    members: dict[str, str] = field(default_factory=dict)
    pools: dict[str, int] = field(default_factory=dict)
    connections: dict[str, DesiredConnection] = field(default_factory=dict)
    variables: dict[str, DesiredVariable] = field(default_factory=dict)
    assets: dict[str, list[str]] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    remote: dict[str, Any] = field(default_factory=dict)
    credential: dict[str, str] = field(default_factory=dict, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """For JSON. Nothing is copied: of hundreds of teams that would take longer than all else."""
        document = dict(vars(self))
        for kind in ("connections", "variables"):
            document[kind] = {name: dict(vars(item)) for name, item in document[kind].items()}
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> DesiredTeam:
        """The reverse of :meth:`as_dict`."""
        fields = dict(document)
        fields["connections"] = {
            name: DesiredConnection(item["fields"], tuple(item["secret"]))
            for name, item in document["connections"].items()
        }
        fields["variables"] = {name: DesiredVariable(**item) for name, item in document["variables"].items()}
        return cls(**fields | {"kept": tuple(document["kept"])})


def desired_team(team: Team, folder: str, secrets: Mapping[KeyPath, str]) -> DesiredTeam:
    """The team as it shall be.

    :param secrets: what the file's references lead to, by path of keys
    """
    return DesiredTeam(
        name=team.name,
        title=team.shown_title,
        bundle=team.bundle,
        slots=team.slots,
        folder=folder,
        spec=team.without_secrets(),
        members={user: role.value for user, role in team.members.items()},
        pools=dict(team.pools),
        connections={name: _connection(name, item, secrets) for name, item in team.connections.items()},
        variables={name: _variable(name, value, secrets) for name, value in team.variables.items()},
        assets={name: sorted(set(grant.consumers)) for name, grant in team.assets.items()},
    )


def stored_team(spec: Mapping[str, Any]) -> DesiredTeam | None:
    """What an earlier apply wrote, as far as it is no secret: from the ``spec`` in the database.

    None when another version of the platform wrote something that this one cannot read.
    """
    try:
        team = Team.model_validate(_without_markers(spec))
    except (ValueError, TypeError, AttributeError):  # the latter two: connections of another shape
        return None
    return desired_team(team, "", {path: "" for path in team.references()})


def is_sensitive(name: str, value: object = None) -> bool:
    """Whether a value under this name is better not shown."""
    if isinstance(value, Mapping):
        return is_sensitive(name) or any(is_sensitive(str(key), item) for key, item in value.items())
    if isinstance(value, list):
        return is_sensitive(name) or any(is_sensitive("", item) for item in value)
    return _SENSITIVE.search(name) is not None


def _connection(name: str, item: Connection, secrets: Mapping[KeyPath, str]) -> DesiredConnection:
    def real(key: str, value: Any) -> Any:
        return secrets["connections", name, key] if isinstance(value, SecretRef) else value

    if item.uri is not None:
        fields = {"uri": real("uri", item.uri), "description": item.description}
        # Everything in a URI may be as secret as its password, all but the type.
        return DesiredConnection(fields, ("host", "port", "login", "password", "schema", "extra"))
    extra = {
        key: secrets["connections", name, "extra", key] if isinstance(v, SecretRef) else v
        for key, v in item.extra.items()
    }
    fields = {
        "conn_type": item.type,
        "host": item.host,
        "port": item.port,
        "login": real("login", item.login),
        "password": real("password", item.password),
        "schema": item.schema_,
        "extra": json.dumps(extra, sort_keys=True) if extra else None,
        "description": item.description,
    }
    secret = ("password", "extra", *(("login",) if isinstance(item.login, SecretRef) else ()))
    return DesiredConnection(fields, secret)


def _variable(name: str, value: Any, secrets: Mapping[KeyPath, str]) -> DesiredVariable:
    if isinstance(value, SecretRef):
        return DesiredVariable(secrets[("variables", name)], secret=True)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return DesiredVariable(text, secret=is_sensitive(name, value))


def _without_markers(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The stored file without the marks that stand where a plain secret stood."""
    document = dict(spec)
    document["connections"] = {
        name: {key: "" if value == {"plain": True} else value for key, value in item.items()}
        for name, item in spec.get("connections", {}).items()
    }
    return document
