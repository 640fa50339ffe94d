"""The warehouse of a home: whether there is one, and making it so from what the teams' files say.

``settle`` and ``drop`` are commands of the admin worker: they run as the control user, which alone can read the keys.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from airspace.model.errors import AirspaceError, InvalidInputError
from airspace.model.home import HomeLayout, home_root
from airspace.model.names import is_team_name
from airspace.model.warehouse import HOST, KEY, PORT, Offer
from airspace.platform.home import NONE, Manifest, Places
from airspace.teams.warehouse import of_specs

if TYPE_CHECKING:
    from airspace.backends.warehouse import Server

Payload = Mapping[str, Any]
_OLDEST = 160000  # before, a table could become a view under its readers
_CERTIFICATE = "that server wants a certificate of whoever connects, which teams have none of"
_NO_SUPERUSER = "the database URL's user is no superuser on that server"


def offer_of(manifest: Manifest, where: Places, url: str | None, powers: Payload) -> Offer:
    """What a home can offer its teams.

    :param url: of an own server; None where the platform has its own
    :param powers: what its user may do there, and its version
    """
    walls = manifest.isolation != NONE
    if url is None:
        host = str(where.postgres)
        return Offer(host, inside=HOST if walls else host)
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    host, port = parts.hostname or options.get("host", ""), parts.port or int(options.get("port", PORT))
    refused = None if powers.get("superuser") else _NO_SUPERUSER
    if int(powers.get("version", 0)) < _OLDEST:
        refused = refused or "that server is older than PostgreSQL 16"
    if host.startswith("/"):
        refused = refused or "that server is reached by its socket only"
    elif "sslcert" in options:
        refused = refused or _CERTIFICATE
    own = f"airspace_{manifest.id}_"
    inside = (HOST, PORT) if walls else (host, port)
    ca = options.get("sslrootcert")
    return Offer(host, port, f"{own}warehouse", own, *inside, refused, options.get("sslmode", "prefer"), ca)


def read_offer(layout: HomeLayout) -> Offer | None:
    """What ``up`` has written; None where it has not, or where it cannot be read."""
    try:
        return Offer.read(layout.warehouse.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def server(layout: HomeLayout) -> Server:
    """The server, with the platform's own rights on it; as the control user.

    :raises AirspaceError: there is none
    """
    offer = read_offer(layout)
    if offer is None or offer.refused is not None:
        reason = "it was not set up" if offer is None else str(offer.refused)
        raise AirspaceError(f"this platform has no warehouse: {reason}", fix="airspace doctor")
    from airspace.backends.warehouse import Server  # as below: the command line needs none of it

    parser = configparser.RawConfigParser()
    parser.read(layout.airflow / "airflow.cfg", encoding="utf-8")
    return Server(offer, parser.get("database", "sql_alchemy_conn").replace("%%", "%"))


def settle(payload: Payload) -> dict[str, Any]:  # noqa: ARG001 - every command takes one
    """Every team as its file, kept in the database, says. What is so already is left alone."""
    layout = HomeLayout(home_root())
    offer = read_offer(layout)
    if offer is None or offer.refused is not None:
        return {"available": False, "reason": offer.refused if offer else "it was not set up"}
    from airspace.backends import warehouse as backend

    where = server(layout)
    with where.metadata() as cursor:
        cursor.execute("SELECT name, spec FROM airspace_team")
        specs = dict(cursor.fetchall())
    key = (layout.secrets / KEY).read_text(encoding="utf-8").strip()
    done = backend.settle(where, key, of_specs(specs))
    return {"available": True, "made": list(done.made), "unpublished": dict(done.unpublished), "late": list(done.late)}


def drop(payload: Payload) -> dict[str, Any]:
    """``{"team"}``: everything that a team has there. Fine when there is nothing."""
    team = str(payload["team"])
    if not is_team_name(team):
        raise InvalidInputError(f"{team} is no team", fix="airspace team list")
    offer = read_offer(HomeLayout(home_root()))
    if offer is None or offer.refused is not None:
        return {"dropped": False}
    from airspace.backends import warehouse as backend

    return {"dropped": backend.drop_team(server(HomeLayout(home_root())), team)}


def rename(payload: Payload) -> dict[str, Any]:
    """``{"team", "name"}``: role and schemas under the new name, with the new name's password.

    With ``look``, nothing is changed: whether somebody has tables under the new name.
    """
    team, name = str(payload["team"]), str(payload["name"])
    if not (is_team_name(team) and is_team_name(name)):
        raise InvalidInputError(f"{team} or {name} is no team", fix="airspace team list")
    offer = read_offer(HomeLayout(home_root()))
    if offer is None or offer.refused is not None:
        return {"renamed": False, "taken": False}
    from airspace.backends import warehouse as backend

    where = server(HomeLayout(home_root()))
    if payload.get("look"):
        return {"renamed": False, "taken": backend.holds_tables(where, name)}
    renamed = backend.rename_team(where, team, name)
    return {"renamed": renamed, "taken": False, "settled": settle({})}
