"""Tables of the warehouse that go to another team: commands of the admin worker, as those of ``platform.warehouse``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airspace.model.errors import InvalidInputError
from airspace.model.home import HomeLayout, home_root
from airspace.model.names import is_team_name
from airspace.platform import warehouse

if TYPE_CHECKING:
    from airspace.backends.warehouse.moving import Going

Payload = Mapping[str, Any]
_NAME, _KEY = re.compile(r"[a-z_][a-z0-9_]{0,62}"), re.compile(r"[0-9a-f]{1,32}")


def look(payload: Payload) -> dict[str, Any]:
    """``{"team", "target", "key", "tables"}``: what there is of the tables, and what stands in the way of their going.

    Where the platform has no warehouse, there are none.
    """
    layout = HomeLayout(home_root())
    if not _has_warehouse(layout):
        return {"tables": [], "bytes": 0, "used_by": [], "readers": [], "problems": []}
    from airspace.backends.warehouse import moving

    where = warehouse.server(layout)
    at_hand = where.offer.own_server and layout.postgres_data.is_dir()
    found = moving.look(where, _going(payload), layout.postgres_data if at_hand else None)
    problems = [{"message": message, "fix": fix} for message, fix in found.problems]
    lists = {"tables": list(found.tables), "used_by": list(found.used_by), "readers": list(found.readers)}
    return {**lists, "bytes": found.bytes, "problems": problems}


def take(payload: Payload) -> dict[str, Any]:
    """The same with ``"end"``: take them out of the old team's schema; who holds them, so that it could not be done."""
    layout = HomeLayout(home_root())
    if not _has_warehouse(layout):
        return {"used_by": []}
    from airspace.backends.warehouse import moving

    return {"used_by": moving.take(warehouse.server(layout), _going(payload), end=bool(payload["end"]))}


def put(payload: Payload) -> dict[str, Any]:
    """The same with ``"to"``: put them into that team's schema."""
    layout = HomeLayout(home_root())
    if not _has_warehouse(layout):
        return {"used_by": []}
    from airspace.backends.warehouse import moving

    going, team = _going(payload), str(payload["to"])
    if team not in (going.team, going.target):
        raise InvalidInputError(f"the tables do not go to team {team}", fix="airspace dag transfer --help")
    return {"used_by": moving.put(warehouse.server(layout), going, team, end=bool(payload["end"]))}


def _has_warehouse(layout: HomeLayout) -> bool:
    offer = warehouse.read_offer(layout)
    return offer is not None and offer.refused is None


def _going(payload: Payload) -> Going:
    from airspace.backends.warehouse.moving import Going

    team, target, key = (str(payload[name]) for name in ("team", "target", "key"))
    names = tuple(sorted({str(name) for name in payload["tables"]}))
    if not (is_team_name(team) and is_team_name(target) and _KEY.fullmatch(key) and all(map(_NAME.fullmatch, names))):
        raise InvalidInputError("these are no tables of a team", fix="airspace dag transfer --help")
    return Going(key, team, target, names)
