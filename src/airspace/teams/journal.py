"""Which teams an apply has begun with and not ended: kept on disk, so that whoever comes after a crash can tell."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping

from airspace.model.home import HomeLayout
from airspace.model.names import is_team_name
from airspace.teams import folders


def unfinished(layout: HomeLayout) -> dict[str, str]:
    """Team → digest of the file that was being applied. Empty when the last apply ended."""
    try:
        document = json.loads(layout.applying.read_text(encoding="utf-8"))
        return {team: str(digest) for team, digest in document["teams"].items() if is_team_name(team)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        # Something was under way, and nobody knows what: it may have been any team.
        return dict.fromkeys(folders.kept_teams(layout), "")


def begin(layout: HomeLayout, files: Mapping[str, bytes]) -> None:
    """From now on the state of these teams may be half-way."""
    _write(layout, unfinished(layout) | {team: digest(data) for team, data in files.items()})


def end(layout: HomeLayout, teams: Iterable[str]) -> None:
    """Everything of these teams is as their files say."""
    ended = set(teams)
    _write(layout, {team: known for team, known in unfinished(layout).items() if team not in ended})


def digest(data: bytes) -> str:
    """By which a file is known again."""
    return hashlib.sha256(data).hexdigest()


def _write(layout: HomeLayout, teams: Mapping[str, str]) -> None:
    if teams:
        text = json.dumps({"teams": dict(sorted(teams.items()))}, indent=2)
        folders.write_private(layout.applying, text.encode() + b"\n")
    else:
        with contextlib.suppress(FileNotFoundError):
            layout.applying.unlink()
