"""Teams whose files are gone from the folder that they were applied from: removed, but only when somebody says so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from airspace.model.change import Cause, Change, ChangeAction
from airspace.model.errors import InvalidInputError
from airspace.teams import removal
from airspace.teams.loading import LoadedTeams
from airspace.teams.ports import Machine, Tell
from airspace.teams.removal import Removed
from airspace.teams.risks import Facts, with_risks
from airspace.teams.service import Outcome

MOST_UNASKED = 3
_AT_ONCE = 6


def check(loaded: LoadedTeams, outcome: Outcome) -> None:
    """A folder that has lost most of its files was perhaps not meant to: a mount that failed, a wrong branch.

    :raises InvalidInputError: more teams would go than stay
    """
    gone = len(outcome.gone)
    if gone > max(MOST_UNASKED, len(loaded.teams)):
        raise InvalidInputError(
            f"{gone} teams that were applied from here have no file now, and only {len(loaded.teams)} have one;"
            " none was removed",
            fix="look whether the folder is complete; if it is, add --yes",
        )


def planned(outcome: Outcome, control: Machine) -> Outcome:
    """The plan with what pruning would do, and who depends on it."""
    return replace(outcome, changes=(*outcome.changes, *(_change(team, control) for team in outcome.gone)), gone=())


def prune(outcome: Outcome, control: Machine, tell: Tell) -> tuple[Outcome, tuple[Removed, ...]]:
    """Remove them, some at once: most of a removal is waiting. The next call carries on with what was cut off."""
    changes = [_change(team, control) for team in outcome.gone]
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="remove")
    try:
        begun = [pool.submit(removal.remove_team, control, team, tell=_about(team, tell)) for team in outcome.gone]
        removed = tuple(each.result() for each in begun)
    finally:
        pool.shutdown(cancel_futures=True)  # where one fails, those under way are finished, and no more are begun
    return replace(outcome, changes=(*outcome.changes, *changes), gone=()), removed


def _about(team: str, tell: Tell) -> Tell:
    return lambda line: tell(f"{team}: {line}")


def _change(team: str, control: Machine) -> Change:
    found = removal.preview(control, team)
    before = {what: count for what, count in found["has"].items() if count}
    change = with_risks(Change(team, "team", ChangeAction.DELETE, before, None, Cause.FILE), Facts())
    lost = (f"{each['team']} loses the asset {each['asset']}" for each in found["consumers"])
    return replace(change, risks=(*change.risks, *lost))
