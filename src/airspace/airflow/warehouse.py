"""The connection ``warehouse`` that every team has without writing one: in no table, made when it is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airspace.model.home import HomeLayout, home_root
from airspace.model.warehouse import CONNECTION, KEY, Offer, password


def warehouse_of(team: str) -> dict[str, Any] | None:
    """Its fields, the password too; None where this platform has no warehouse."""
    layout = HomeLayout(home_root())
    try:
        offer = Offer.read(layout.warehouse.read_text(encoding="utf-8"))
        key = Path(layout.secrets, KEY).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    if offer.refused is not None or not key:
        return None
    role = offer.role(team)
    direct = not offer.own_server and offer.inside == offer.host  # without walls there is no relay that encrypts
    encrypted = {"sslmode": offer.sslmode} | ({"sslrootcert": offer.ca} if offer.ca else {})
    return {
        "conn_type": "postgres",
        "host": offer.inside,
        "port": offer.inside_port,
        "login": role,
        "password": password(key, role),
        "schema": offer.database,
        **({"extra": json.dumps(encrypted)} if direct else {}),
    }


def login_of(team: str) -> dict[str, Any] | None:
    """The same, in the words of libpq; None where this platform has no warehouse."""
    found = warehouse_of(team)
    if found is None:
        return None
    named = {"host": "host", "port": "port", "user": "login", "password": "password", "dbname": "schema"}
    return {
        "sslmode": "disable",  # the relay declines it, and speaks it to the server
        **{word: found[field] for word, field in named.items()},
        **json.loads(found.get("extra", "{}")),
    }


def is_given(team: str, name: str) -> bool:
    """Whether a name means that connection, if the team has no other one."""
    return name == CONNECTION and warehouse_of(team) is not None
