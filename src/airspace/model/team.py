"""The team file as data: every key of CLI reference ``docs/team-file.md``, validated. No I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    StrictFloat,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from airspace.model import names
from airspace.model.dag_source import DagSource
from airspace.model.endpoints import OPEN, Network
from airspace.model.parts import JoinedPart as _JoinedPart
from airspace.model.parts import Part as _Part
from airspace.model.parts import refuse as _refuse
from airspace.model.parts import refuse_each as _refuse_each
from airspace.model.roles import Role
from airspace.model.secret import REFERENCE_SCHEMA, Secret, SecretRef, is_reference, parse_reference
from airspace.model.sizes import parse_size

DEFAULT_SLOTS = 16
MOST_SLOTS = 100_000
LARGEST = 2**63 - 1
_TYPE = r"^[A-Za-z0-9_.-]{1,100}$"
_TABLE = r"^[a-z_][a-z0-9_]{0,62}$"


def _team_name(value: str) -> str:
    if value in names.RESERVED_TEAMS:
        raise _refuse("bad-name", f"the name {value} is reserved", "choose another name")
    if not names.is_team_name(value):
        near = names.suggest_team_name(value)
        raise _refuse(
            "bad-name",
            "this is no team name",
            (f"write {near}; " if near else "") + f"a team name is {names.TEAM_RULE}",
        )
    return value


def _short_name(value: str) -> str:
    if not names.is_short_name(value):
        raise _refuse("bad-name", "this is no valid name", f"a name is {names.SHORT_RULE}")
    return value


def _table_name(value: str) -> str:
    if re.fullmatch(_TABLE, value) is None:
        how = "lower-case letters, digits and underscores, up to 63, without the schema"
        raise _refuse("bad-name", "this is no name of a table", f"a table is written as PostgreSQL keeps it: {how}")
    return value


def _type(value: str) -> str:
    if re.fullmatch(_TYPE, value) is None or value.endswith("\n"):
        fix = "write it as Airflow does, for example postgres: letters, digits, '_', '-' and '.', up to 100"
        raise _refuse("bad-name", "this is no type of a connection", fix)
    return value


def _user_name(value: str) -> str:
    if not names.is_user_name(value):
        raise _refuse("bad-name", "this is no user name", f"a user name is {names.USER_RULE}")
    return value


def _member_name(value: str) -> str:
    if value.startswith("@") and not names.is_group_name(value):
        raise _refuse("bad-name", "this is no name of a group", f"a group is {names.GROUP_RULE}")
    return value if value.startswith("@") else _user_name(value)


def _role(value: object) -> Role:
    known = [role.value for role in Role]
    if isinstance(value, str) and value in known:
        return Role(value)
    near = names.did_you_mean(value, known) if isinstance(value, str) else None
    fix = f"did you mean {near}? " if near else ""
    raise _refuse("bad-role", "this is no role", f"{fix}one of: {', '.join(known)}")


def _size(value: object) -> int:
    try:
        if not isinstance(value, (str, int)):
            raise ValueError
        amount = parse_size(value)
    except ValueError:
        raise _refuse("bad-size", "this is no size", "write for example 512M, 4G or a number of bytes") from None
    if not 1024**2 <= amount <= 1024**5:
        raise _refuse("bad-size", "a size is between 1M and 1024T", "write for example 512M or 4G")
    return amount


def _title(value: str) -> str:
    if len(value) > 100 or not value.strip() or not value.isprintable():
        raise _refuse("bad-title", "a title is one line of 1 to 100 printable characters", "shorten it")
    return value


def _text(value: str) -> str:
    if "\0" in value or len(value) > 5000:
        raise _refuse("bad-text", "too long, or holds a NUL character", "shorten it to 5000 characters")
    return value


def _json(value: object) -> Any:
    """Only what JSON can carry; YAML knows more (dates, NaN, binary)."""
    if wrong := list(_no_json(value, ())):
        raise _refuse_each(wrong)
    return _listed(value)


def _no_json(
    value: object, place: tuple[int | str, ...]
) -> Iterator[tuple[tuple[int | str, ...], PydanticCustomError]]:
    """What in a value is none, and where."""
    if isinstance(value, dict) and all(isinstance(key, str) and "\0" not in key for key in value):
        for key, item in value.items():
            yield from _no_json(item, (*place, key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _no_json(item, (*place, index))
    elif isinstance(value, str):
        if "\0" in value:
            yield place, _refuse("not-json", "text with a NUL character cannot be stored", "remove it")
    elif isinstance(value, int):
        if not -LARGEST <= value <= LARGEST:
            yield place, _refuse("not-json", "a whole number beyond 64 bits", "put it in quotes")
    elif value is not None and not (isinstance(value, float) and math.isfinite(value)):
        message = "this value is not JSON (a date? infinity? a key that is no text?)"
        yield place, _refuse("not-json", message, "put it in quotes")


def _listed(value: Any) -> Any:
    """Lists in place of tuples, which Python's own callers may give."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, (list, tuple)) else value


def _json_or_secret(value: object) -> Any:
    return parse_reference(value) if isinstance(value, SecretRef) or is_reference(value) else _json(value)


def _dump(value: Any) -> Any:
    return value.as_dict() if isinstance(value, SecretRef) else value


TeamName = Annotated[
    StrictStr,
    AfterValidator(_team_name),
    Field(json_schema_extra={"pattern": "^[a-z][a-z0-9]*(_[a-z0-9]+)*$", "minLength": 3, "maxLength": 30}),
]
ShortName = Annotated[StrictStr, AfterValidator(_short_name)]
UserName = Annotated[StrictStr, AfterValidator(_user_name)]
MemberName = Annotated[StrictStr, AfterValidator(_member_name)]
"""A user, or ``@group`` as long as the file is not completed by ``platform.yaml``."""
RoleName = Annotated[
    Role, PlainValidator(_role), PlainSerializer(str), WithJsonSchema({"enum": [role.value for role in Role]})
]
Size = Annotated[
    int,
    PlainValidator(_size),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^\d+(\.\d+)?\s*[KMGT]?(i?B)?$"}]}),
]
TableName = Annotated[StrictStr, AfterValidator(_table_name), WithJsonSchema({"type": "string", "pattern": _TABLE})]
JsonOrSecret = Annotated[
    Any, PlainValidator(_json_or_secret), PlainSerializer(_dump), WithJsonSchema({"description": "any JSON value"})
]
Text = Annotated[StrictStr, AfterValidator(_text)]
ConnectionType = Annotated[StrictStr, AfterValidator(_type), WithJsonSchema({"type": "string", "pattern": _TYPE})]


class Connection(_JoinedPart):
    """One connection under its short name: either ``uri`` or the single fields."""

    type: ConnectionType | None = Field(default=None, description="Airflow's connection type: postgres, http, aws ...")
    host: Annotated[Text, Field(max_length=500)] | None = None
    port: Annotated[StrictInt, Field(ge=1, le=65535)] | None = None
    login: Secret | None = None
    password: Secret | None = Field(default=None, description="a reference is the good way; plain text gets a warning")
    schema_: Annotated[Text, Field(max_length=500)] | None = Field(default=None, alias="schema")
    extra: dict[Text, JsonOrSecret] = Field(default_factory=dict, description="values may be secret references")
    uri: Secret | None = Field(default=None, description="the whole connection as one URI, instead of the other keys")
    description: Text | None = None

    @classmethod
    def crossed(cls, given: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
        """See :class:`airspace.model.parts.JoinedPart`."""
        if given.get("uri") is not None and set(given) - {"uri", "description"}:
            yield _refuse("uri-and-fields", "a connection has either uri or single keys", "remove one of the two")
        if given.get("uri") is None and given.get("type") is None:
            yield _refuse("missing-key", "a connection needs a type or a uri", "add for example type: postgres")


class Limits(_Part):
    """What the team's code may use at once; None leaves it to the platform."""

    memory: Size | None = Field(default=None, description="512M, 4G; bytes after validation")
    cpu: Annotated[StrictFloat | StrictInt, Field(gt=0, le=4096)] | None = Field(default=None, description="cores")
    processes: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None
    scratch: Size | None = Field(default=None, description="temporary disk space")


class AssetGrant(_Part):
    """Who, besides the owner, may consume an asset."""

    consumers: tuple[TeamName, ...] = Field(default=(), description="names of teams")
    tables: tuple[TableName, ...] = Field(
        default=(), max_length=100, description="tables of the warehouse that they may read"
    )


class Warehouse(_Part):
    """How much of the warehouse the team may have; None leaves it to the platform."""

    size: Size | None = Field(default=None, description="of its tables together: 512M, 4G; bytes after validation")
    seconds: Annotated[StrictInt, Field(ge=1, le=86_400)] | None = Field(
        default=None, description="that one statement may take"
    )
    connections: Annotated[StrictInt, Field(ge=1, le=16)] | None = Field(default=None, description="at once")


class Team(_Part):
    """One team file. Only ``name`` is required."""

    name: TeamName
    title: Annotated[StrictStr, AfterValidator(_title)] | None = Field(
        default=None, description="by default made of the name"
    )
    members: dict[MemberName, RoleName] = Field(
        default_factory=dict, description="user → viewer|operator|author|lead; @group for a group of platform.yaml"
    )
    dags: DagSource = Field(default_factory=DagSource)
    connections: dict[ShortName, Connection] = Field(default_factory=dict)
    variables: dict[ShortName, JsonOrSecret] = Field(
        default_factory=dict, description="text is stored as it is, anything else as JSON; or a secret reference"
    )
    pools: dict[ShortName, Annotated[StrictInt, Field(ge=0, le=MOST_SLOTS)]] = Field(
        default_factory=dict, description="pool → slots"
    )
    slots: Annotated[StrictInt, Field(ge=1, le=MOST_SLOTS)] = Field(
        default=DEFAULT_SLOTS, description="tasks of this team running at once"
    )
    limits: Limits = Field(default_factory=Limits)
    network: Network = Field(default=(), description="host:port that the team's code may reach; and open")
    assets: dict[ShortName, AssetGrant] = Field(default_factory=dict, description="what others may consume")
    warehouse: Warehouse = Field(default_factory=Warehouse)

    @property
    def reachable(self) -> tuple[str, ...]:
        """``network`` as a list: ``open``, and ``host:port``."""
        return (OPEN,) if self.network == OPEN else tuple(self.network)

    @property
    def bundle(self) -> str:
        """The name of the team's Dag bundle."""
        return self.name

    @property
    def shown_title(self) -> str:
        """The title, or one made of the name."""
        return self.title or self.name.replace("_", " ").title()

    def references(self) -> dict[tuple[str, ...], SecretRef]:
        """Every secret reference in the file by its path of keys."""
        found: dict[tuple[str, ...], SecretRef] = {}
        for path, value in self._secret_places():
            if isinstance(value, SecretRef):
                found[path] = value
        return found

    def plain_secrets(self) -> list[tuple[str, ...]]:
        """Places where a secret stands in the file itself."""
        return [
            path
            for path, value in self._secret_places()
            if isinstance(value, str) and path[0] == "connections" and path[2] == "password"
        ] + [
            ("connections", name, "uri")
            for name, connection in self.connections.items()
            if isinstance(connection.uri, str) and "@" in connection.uri
        ]

    def without_secrets(self) -> dict[str, Any]:
        """The file as JSON, where references stay references and plain secrets are left out."""
        document: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for _, name, key in self.plain_secrets():
            document["connections"][name][key] = {"plain": True}
        return document

    def _secret_places(self) -> list[tuple[tuple[str, ...], Any]]:
        places: list[tuple[tuple[str, ...], Any]] = []
        for name, connection in self.connections.items():
            at = ("connections", name)
            places += [((*at, key), getattr(connection, key)) for key in ("login", "password", "uri")]
            places += [((*at, "extra", key), value) for key, value in connection.extra.items()]
        places += [(("variables", name), value) for name, value in self.variables.items()]
        places += [(("dags", *path), value) for path, value in self.dags.secret_places()]
        return places


def json_schema() -> dict[str, Any]:
    """A JSON Schema of the team file, for editors."""
    schema = Team.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Airspace team file"}


__all__ = ["OPEN", "REFERENCE_SCHEMA", "AssetGrant", "Connection", "DagSource", "Limits", "Team", "json_schema"]
