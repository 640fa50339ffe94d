"""Tables of the warehouse that go along with the assets which they belong to.

They are taken before the Dags change hands, when it can still be taken back, and put into the new team's schema after:
by way of a place of the platform's, as the Dags' files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airspace.model.errors import AirspaceError
from airspace.teams.moves import Transfer
from airspace.teams.ports import WORKER, ControlPlane, Tell

PATIENCE = 10.0
"""Seconds for which readers may hold the tables where nobody has said how long."""
_INSISTS = 30.0  # after which somebody has to look at it
_LOOK = 0.25

Ask = Callable[..., dict[str, Any]]
"""A command of the admin worker, with what it is told besides."""


def names(tables: Mapping[str, Sequence[str]]) -> list[str]:
    """Asset → its tables, as one list."""
    return sorted({table for each in tables.values() for table in each})


def look(
    control: ControlPlane, wanted: Transfer, tables: Mapping[str, Sequence[str]], drain: float | None
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What there is of the tables, and what stands in the way. Touches nothing."""
    if not names(tables):
        return {}, []
    asked = {"team": wanted.team, "target": wanted.target, "key": wanted.key, "tables": names(tables)}
    found = control.run_control(WORKER, ["look-at-tables"], asked)
    problems = [(each["message"], each["fix"]) for each in found["problems"]]
    if drain is None and found["used_by"]:
        line = f"{', '.join(found['tables'])} of the warehouse are in use by {_teams(found['used_by'])}"
        problems.append((line, "--drain SECONDS lets their transactions end, --now ends them"))
    return {"names": found["tables"], "bytes": found["bytes"], "readers": found["readers"]}, problems


def take(ask: Ask, tables: Sequence[str], drain: float | None, tell: Tell) -> None:
    """Nobody has them any more.

    :param drain: seconds that who uses them has to end; None: nobody is made to
    :raises AirspaceError: they are in use, or not plain any more; the same command goes on, and it can be taken back
    """
    deadline = time.monotonic() + (PATIENCE if drain is None else drain)
    while used := ask("take-tables", tables=tables, end=drain is not None and time.monotonic() >= deadline)["used_by"]:
        late = time.monotonic() - deadline
        if late > _INSISTS or (late > 0 and drain is None):
            raise AirspaceError(
                f"the tables {', '.join(tables)} are in use: {', '.join(used)}",
                fix="the same command with --drain SECONDS or --now, or with --cancel",
            )
        tell(f"waiting for {', '.join(tables)}, in use: {', '.join(used)}")
        time.sleep(_LOOK)


def put(ask: Ask, tables: Sequence[str], team: str) -> None:
    """They are this team's: the new one's, or the old one's again.

    :raises AirspaceError: something there stands in the way, and could not be moved aside; the same command goes on
    """
    deadline = time.monotonic() + _INSISTS
    while used := ask("put-tables", tables=tables, to=team, end=True)["used_by"]:
        if time.monotonic() > deadline:
            raise AirspaceError(
                f"{', '.join(tables)} cannot be put into the schema of team {team}: {', '.join(used)}",
                fix=f"rename what is called so there (airspace team show {team}), then run the command again",
            )
        time.sleep(_LOOK)


def _teams(found: Sequence[str]) -> str:
    return f"team {found[0]}" if len(found) == 1 else f"teams {', '.join(found)}"
