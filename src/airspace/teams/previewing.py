"""What a transfer of Dags would do, and every reason why it may not be done. Nothing is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from airspace.model.errors import InvalidInputError
from airspace.model.home import HomeLayout
from airspace.teams import handing_over, markers, moves, tables_moving
from airspace.teams.handing_over import Handed
from airspace.teams.moves import Options, Transfer
from airspace.teams.ports import WORKER, Carrier, ControlPlane, Move


@dataclass(frozen=True)
class Obstacle:
    """Something that has to be mended before."""

    message: str
    fix: str


@dataclass(frozen=True)
class Preview:
    """What a transfer would do, for programs; nothing was touched.

    :param problems: while there are some, it is refused
    :param files: of the Dags; ``by_hand``: people have to move them, as the platform did not make both folders
    :param helpers: files of the old team's folder that they name and the new team lacks
    :param has: how many runs, task instances and XComs go along; ``running``: what has begun and is not over
    :param assets: that become the new team's → who may consume them
    :param tables: of the warehouse, that go along with these
    :param lacking: ``connections`` and ``variables`` that the code names and the new team lacks
    """

    team: str
    target: str
    dags: tuple[str, ...]
    problems: tuple[Obstacle, ...] = ()
    files: tuple[str, ...] = ()
    by_hand: bool = False
    helpers: tuple[str, ...] = ()
    has: Mapping[str, int] = field(default_factory=dict)
    running: Mapping[str, int] = field(default_factory=dict)
    assets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Preview:
        """Of what :func:`preview` tells."""
        return cls(
            found["team"],
            found["target"],
            tuple(found["dags"]),
            tuple(Obstacle(**each) for each in found["problems"]),
            tuple(sorted(found.get("files") or ())),
            bool(found.get("by_hand")),
            tuple(found.get("helpers") or ()),
            found.get("has") or {},
            found.get("running") or {},
            {name: tuple(who) for name, who in (found.get("assets") or {}).get("handed_over", {}).items()},
            tuple((found.get("tables") or {}).get("names", ())),
            {kind: tuple(names) for kind, names in (found.get("needs") or {}).items()},
        )


def preview(
    control: ControlPlane, carrier: Carrier, wanted: Transfer, options: Options, *, fresh: bool = False
) -> dict[str, Any]:
    """What goes along, what is lacking there, and every reason why it may not be; nothing is touched.

    :param fresh: the new team is still to be made
    """
    asked = {"dags": wanted.dags, "team": wanted.team, "target": wanted.target}
    found = control.run_control(WORKER, ["preview-transfer"], {**asked, "fresh": fresh})
    problems = [(each["message"], each["fix"]) for each in found["problems"]]
    problems += _under_way(control.layout, wanted)
    document = {**asked, **{key: value for key, value in found.items() if key != "problems"}}
    if "files" in found:
        look = carrier.look(replace(move_of(wanted, sorted(found["files"]), options), fresh=fresh))
        problems += look.problems
        assets = found["assets"]
        if not fresh:
            problems += handing_over.check(control, wanted.team, wanted.target, handed_of(assets))
        document["tables"], wrong = tables_moving.look(control, wanted, assets["tables"], options.drain)
        problems += wrong
        document |= {"by_hand": look.by_hand, "folders": list(look.places), "helpers": list(look.helpers)}
        if options.drain is None and any(found["running"].values()):
            work = found["running"]
            line = f"{work['tasks']} tasks and {work['runs']} runs have begun"
            problems.append((line, "--drain SECONDS lets them end, --now ends them"))
    document["problems"] = [{"message": message, "fix": fix} for message, fix in problems]
    return document


def refusal(found: dict[str, Any]) -> InvalidInputError:
    """Every problem of a preview, as one error."""
    lines = "\n  ".join(f"{each['message']} ({each['fix']})" for each in found["problems"])
    message = f"these Dags cannot go to team {found['target']} so; nothing was changed:\n  {lines}"
    return InvalidInputError(message, fix="mend each of these, then run the command again")


def handed_of(found: Mapping[str, Any]) -> Handed:
    """Of what a preview says of assets, or what is noted of them."""
    return Handed(found.get("handed_over") or found.get("grants") or {}, found.get("tables") or {})


def _under_way(layout: HomeLayout, wanted: Transfer) -> list[tuple[str, str]]:
    problems = [
        (f"Dag {min(set(each.dags) & set(wanted.dags))} is on its way to team {each.target}", each.command)
        for each in moves.overlapping(layout, wanted.dags)
        if each.key != wanted.key
    ]
    leaving = markers.begun(layout) & {wanted.team, wanted.target}
    return problems + [(f"team {team} is being removed", f"airspace team remove {team}") for team in sorted(leaving)]


def move_of(transfer: Transfer, files: Sequence[str], options: Options) -> Move:
    return Move(transfer.key, transfer.team, transfer.target, tuple(files), options.with_files)
