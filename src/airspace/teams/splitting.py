"""A part of a team becomes a team of its own: a file on the model of the old one's, and then a transfer.

Members with their roles, slots, limits, network and bounds of the warehouse are as the old team has them, which keeps
its own: who runs what is not known before. Pools come along as far as the Dags name them. Connections and variables do
not, nor assets that other Dags make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airspace.model.errors import InvalidInputError
from airspace.model.team import Team
from airspace.teams import authoring, folders, moves, moving, origins
from airspace.teams.authoring import AsApplied
from airspace.teams.moves import Options, Transfer
from airspace.teams.moving import Moved
from airspace.teams.ports import Carrier, ControlPlane, Tell
from airspace.teams.previewing import preview, refusal

_ALIKE = ("members", "slots", "limits", "network", "warehouse")


@dataclass(frozen=True)
class Draft:
    """The new team, before it is made.

    :param model: the old team's file
    :param found: the transfer's preview, with every problem of both
    """

    model: AsApplied
    content: Mapping[str, Any]
    found: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the transfer's preview, with the new team's file."""
        return {**self.found, "new_team": {"file": str(self.file), "content": dict(self.content)}}

    @property
    def file(self) -> Path:
        """Where the new file goes: beside the old one."""
        return self.model.path.parent / f"{self.content['name']}.yaml"


@dataclass(frozen=True)
class Split:
    """What became of it.

    :param file: the new team's
    """

    file: str
    moved: Moved

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"file": self.file, **self.moved.as_dict()}


def draft(control: ControlPlane, carrier: Carrier, wanted: Transfer, options: Options) -> Draft:
    """What the new team would be, and what would go there; nothing is touched.

    :raises InvalidInputError: the old team's file is not what was applied, or no team can be called so
    """
    _team({"name": wanted.target})
    model = authoring.as_applied(control.layout, wanted.team)
    found = preview(control, carrier, wanted, options, fresh=True)
    said = authoring.content_of(model.data)
    content = {"name": wanted.target, **{key: said[key] for key in _ALIKE if said.get(key)}}
    if found.get("pools"):
        content["pools"] = found["pools"]
    made = Draft(model, content, found)
    text = authoring.text_of(_team(content))
    if wanted.target in folders.kept_teams(control.layout) and authoring.written_as(made.file) != text:
        fix = f"name another one, or give the Dags to it: {wanted.command}"
        found["problems"].append({"message": f"there is a team {wanted.target} already", "fix": fix})
    return made


def split(
    control: ControlPlane,
    carrier: Carrier,
    wanted: Transfer,
    options: Options,
    environ: Mapping[str, str],
    tell: Tell,
) -> Split:
    """Make the new team and give it the Dags, or carry on with what was cut off.

    :raises InvalidInputError: with every problem; nothing was changed
    :raises AirspaceError: as for a transfer; the same command goes on
    """
    if all(each.key != wanted.key for each in moves.begun(control.layout)):
        made = draft(control, carrier, wanted, options)
        if made.found["problems"]:
            raise refusal(made.found)
        tell(f"making team {wanted.target}")
        team, folder = _team(made.content), made.model.path.parent
        authoring.add_team(team, control, environ, folder, made.model.root)
    origin = origins.read(control.layout).get(wanted.target)
    return Split(origin.file if origin else "", moving.transfer(control, carrier, wanted, options, tell))


def _team(content: Mapping[str, Any]) -> Team:
    try:
        return Team.model_validate(dict(content))
    except ValueError:
        name = content["name"]
        raise InvalidInputError(
            f"no team can be called {name}, or be like that one", fix=f"airspace team add {name} tells why"
        ) from None
