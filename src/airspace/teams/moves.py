"""How far the transfers of Dags are: a file in the home for each, so that one that was cut off can go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from airspace.model.errors import HomeError
from airspace.model.home import HomeLayout
from airspace.teams.folders import replace_file


@dataclass
class Transfer:
    """One that has begun.

    :param done: the names of the steps that are over
    :param notes: what later steps need to know and nobody could find out any more
    """

    team: str
    target: str
    dags: list[str]
    started: float
    done: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same for the same Dags and teams."""
        text = json.dumps([self.team, self.target, sorted(self.dags)])
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def command(self) -> str:
        """What finishes it."""
        return f"airspace dag transfer {' '.join(self.dags)} --from {self.team} --to {self.target}"


@dataclass(frozen=True)
class Options:
    """How to move.

    :param drain: seconds that running work may take to end by itself; None: nothing may run
    :param with_files: files of the old team's folder that are copied along
    """

    drain: float | None = None
    with_files: tuple[str, ...] = ()


def begun(layout: HomeLayout) -> list[Transfer]:
    """Those that have begun and are not over, the oldest first.

    :raises HomeError: what is written there cannot be read
    """
    return sorted(_all(layout), key=lambda each: each.started)


def _all(layout: HomeLayout) -> Iterator[Transfer]:
    try:
        paths = sorted(layout.moving.glob("*.json"))
    except OSError:
        return
    for path in paths:
        try:
            yield Transfer(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError):
            raise HomeError(f"{path} cannot be read", fix="restore it from a backup") from None


def involving(layout: HomeLayout, team: str) -> Transfer | None:
    """One that a team's Dags leave or come by."""
    return next((each for each in begun(layout) if team in (each.team, each.target)), None)


def overlapping(layout: HomeLayout, dags: Sequence[str]) -> list[Transfer]:
    """Those that one of these Dags is in."""
    return [each for each in begun(layout) if set(each.dags) & set(dags)]


def write(layout: HomeLayout, transfer: Transfer) -> None:
    """Keep it."""
    layout.moving.mkdir(mode=0o700, exist_ok=True)
    replace_file(layout.moving / f"{transfer.key}.json", json.dumps(asdict(transfer)).encode(), mode=0o600)


def remove(layout: HomeLayout, transfer: Transfer) -> None:
    """It is over."""
    (layout.moving / f"{transfer.key}.json").unlink(missing_ok=True)
