"""The warehouse, the teams' own database beside Airflow's: names, place, bounds. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

CONNECTION = "warehouse"
"""The short name of the connection that each team has, unless its file names another one so."""
HOST, PORT = "warehouse.airspace", 5432
"""Where a sandbox finds it; what that leads to is the relay's business."""
KEY = "warehouse_key"
"""The secret that teams' passwords are made from, in the home's folder of secrets."""
CONNECTIONS_OF_ALL = 100
"""To the warehouse at once: the server takes more, and those are Airflow's."""
_TAKEN = frozenset({"public", "information_schema"})


@dataclass(frozen=True)
class Bounds:
    """How much of it one team may have.

    :param size: bytes of its tables, with their indexes and what a running statement has put aside
    :param seconds: that one statement may take
    :param connections: at once
    """

    size: int = 10 << 30
    seconds: int = 3600
    connections: int = 8

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Bounds:
        """As the ``warehouse`` of a team file says, as far as it says anything."""
        said = {name: spec[name] for name in ("size", "seconds", "connections") if isinstance(spec.get(name), int)}
        return cls(**said)


@dataclass(frozen=True)
class Offer:
    """``warehouse.json`` of a home: nothing in it is secret.

    :param host: and port: of the server, for the platform's own processes; a folder is that of its socket
    :param inside: and its port: what team code uses
    :param prefix: what the names of the teams' roles begin with: a server knows all homes' roles
    :param sslmode: and ca: how an own server is spoken to, in the words of its URL
    :param refused: why there is none, in words; None where there is one
    """

    host: str
    port: int = PORT
    database: str = "warehouse"
    prefix: str = "team_"
    inside: str = HOST
    inside_port: int = PORT
    refused: str | None = None
    sslmode: str = "disable"
    ca: str | None = None

    @classmethod
    def read(cls, text: str) -> Offer:
        """Read what :meth:`text` wrote.

        :raises ValueError: it is nothing of the kind
        """
        try:
            return cls(**json.loads(text))
        except TypeError as error:
            raise ValueError(str(error)) from None

    def text(self) -> str:
        """For the file."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @property
    def own_server(self) -> bool:
        """Whether the server is the platform's own, with nobody else's databases on it."""
        return self.host.startswith("/")

    @property
    def all_teams(self) -> str:
        """The role that all teams' roles are members of."""
        return f"{self.database}_teams"

    def role(self, team: str) -> str:
        """What a team is called by the server."""
        return f"{self.prefix}{team}"

    def described(self, team: str) -> dict[str, Any]:
        """For people."""
        if self.refused is not None:
            return {"available": False, "reason": self.refused}
        names = {"host": self.inside, "port": self.inside_port, "database": self.database, "role": self.role(team)}
        return {"available": True, **names, "schema": schema(team), "published": published(team)}


def schema(team: str) -> str:
    """Where a team's tables are: a schema of its name, or nearly so where PostgreSQL keeps that for itself.

    No team can be called like any of these: its words are joined by single underscores.
    """
    return f"of__{team}" if team in _TAKEN or team.startswith("pg_") else team


def published(team: str) -> str:
    """Where others read what a team publishes."""
    return f"{schema(team)}__published"


def password(key: str, role: str) -> str:
    """The password of a role: 256 bits, made from the key, so that there is no list of them to lose."""
    digest = hmac.new(key.encode(), f"warehouse:{role}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
