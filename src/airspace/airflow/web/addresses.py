"""What the address of a page names: pure.

Airflow's router knows two pages of one thing: below a Dag's id and of an asset's number. One of ours names a team. All
other pages are lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from airspace.access.table import Kind
from airspace.model.names import is_team_name

_DAG, _ASSET = re.compile(r"/dags/([^/]+)"), re.compile(r"/assets/([^/]+)")
_ARTIFACTS = "/plugin/artifacts"
_LARGEST = 2**31  # the numbers of assets are below


@dataclass(frozen=True)
class Named:
    """A Dag, an asset, or the artifacts of a team, as an address names them."""

    kind: Kind
    name: str


def named_in(path: str, query: str = "") -> Named | None:
    """What a page is about; None: it is a list, or nobody's."""
    for kind, pattern in ((Kind.DAG, _DAG), (Kind.ASSET, _ASSET)):
        if found := pattern.match(path):
            return Named(kind, found[1])
    team = dict(parse_qsl(query)).get("team", "") if path.rstrip("/") == _ARTIFACTS else ""
    return Named(Kind.ARTIFACT, team) if is_team_name(team) else None


def asset_number(text: str) -> int:
    """The number of an asset; −1 for what is none."""
    number = int(text) if len(text) < 12 and text.isascii() and text.isdecimal() else -1
    return number if number < _LARGEST else -1
