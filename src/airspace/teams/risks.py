"""What somebody may lose by a change: pure rules, told by plan before anything happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airspace.model.change import Change, ChangeAction
from airspace.model.names import qualified
from airspace.model.roles import Role
from airspace.model.team import OPEN

_Fields = Mapping[str, Any]
_PLACE = ("folder", "url", "branch", "tag", "endpoint")


@dataclass(frozen=True)
class Facts:
    """What the rules know beside the change.

    :param running: pool → tasks that run in it now, under the pool's full name
    :param leads: team → how many leads it has afterwards
    """

    running: Mapping[str, int] = field(default_factory=dict)
    leads: Mapping[str, int] = field(default_factory=dict)

    def running_in(self, team: str) -> int:
        """All running tasks of a team."""
        return sum(count for pool, count in self.running.items() if pool == team or pool.startswith(f"{team}."))


def with_risks(change: Change, facts: Facts) -> Change:
    """The change with its risks told."""
    kind, _, name = change.resource.partition(" ")
    rule = _RULES.get(kind)
    found = tuple(rule(change, name, facts)) if rule and change.action != ChangeAction.CREATE else ()
    if kind == "team" and change.action == ChangeAction.CREATE:
        found = tuple(_opened({}, change.after or {}))
    return replace(change, risks=found)


def _team(change: Change, _name: str, facts: Facts) -> Iterator[str]:
    before, after = change.before or {}, change.after or {}
    if change.action == ChangeAction.DELETE:
        yield f"the team {change.team} is removed: Dags, runs, data and logs go into one archive, then they are gone"
        return
    running = facts.running_in(change.team)
    if _is_less(after.get("slots"), before.get("slots")) and running > after["slots"]:
        yield f"{running} tasks are running, {after['slots']} slots remain: nothing new starts until enough have ended"
    if "network" in after:
        yield from _opened(before, after)
        lost = [] if after["network"] == OPEN else sorted(set(_listed(before)) - set(_listed(after)))
        if lost:
            yield f"no longer reached, running connections end: {_some(lost)}"
    if "limits" in after:
        was, shall = before["limits"] or {}, after["limits"] or {}
        for key in sorted(shall):
            if key not in was or _is_less(shall[key], was[key]):
                yield f"{key} is limited more than before: work that needs more fails from its next task on"


def _opened(before: _Fields, after: _Fields) -> Iterator[str]:
    if OPEN in _listed(after) and OPEN not in _listed(before):
        yield "open: this team's code may reach every public host on the usual ports"


def _listed(fields: _Fields) -> list[str]:
    network = fields.get("network") or []
    return [network] if isinstance(network, str) else list(network)


def _bundle(change: Change, _name: str, _facts: Facts) -> Iterator[str]:
    before, after = change.before or {}, change.after or {}
    if any(before.get(key) != after.get(key) for key in _PLACE) and any(before.get(key) for key in _PLACE):
        yield "Dags that are not in the new place stop being scheduled; their history stays"


def _member(change: Change, name: str, facts: Facts) -> Iterator[str]:
    was = Role((change.before or {})["role"])
    role = Role(change.after["role"]) if change.after else None
    if role is None:
        yield f"{name} loses access to the team, at once"
    elif not role.includes(was):
        yield f"{name} may do less, at once: {role} instead of {was}"
    else:
        return
    if was == Role.LEAD and not facts.leads.get(change.team, 0):
        yield "nobody is lead of the team any more"


def _pool(change: Change, name: str, facts: Facts) -> Iterator[str]:
    running = facts.running.get(qualified(change.team, name), 0)
    if change.after is None:
        yield f"tasks that name the pool {name} are not scheduled any more" + (
            f"; {running} run now" if running else ""
        )
    elif _is_less(change.after.get("slots"), (change.before or {}).get("slots")) and running > change.after["slots"]:
        yield f"{running} tasks are running in the pool {name}, {change.after['slots']} slots remain"


def _connection(change: Change, name: str, _facts: Facts) -> Iterator[str]:
    if change.after is None:
        yield f"tasks that use the connection {name} fail from now on"
    else:
        yield f"the connection {name} is changed in place: what runs now may see the old or the new one"


def _variable(change: Change, name: str, _facts: Facts) -> Iterator[str]:
    if change.after is None:
        yield f"tasks that read the variable {name} get none from now on"


def _asset(change: Change, name: str, _facts: Facts) -> Iterator[str]:
    left = set((change.after or {}).get("consumers") or ())
    for consumer in sorted(set((change.before or {}).get("consumers") or ()) - left):
        yield f"{consumer} loses the asset {name}: its Dags are not started by it any more, its tasks cannot read it"


def _is_less(new: Any, old: Any) -> bool:
    return isinstance(new, (int, float)) and isinstance(old, (int, float)) and new < old


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


_RULES: Mapping[str, Callable[[Change, str, Facts], Iterator[str]]] = {
    "team": _team,
    "bundle": _bundle,
    "member": _member,
    "pool": _pool,
    "connection": _connection,
    "variable": _variable,
    "asset": _asset,
}
