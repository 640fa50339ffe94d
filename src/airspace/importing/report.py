"""What an import found, for a person (``import-report.md``) and for a program (``--json``)."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from airspace.importing.drafting import Draft, Drafts
from airspace.importing.findings import Unplaced, plain

_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_NAMED = ("members", "connections", "variables", "pools")
_TITLES = {
    "dag": "Dags",
    "role": "Roles",
    "user": "Users",
    "connection": "Connections",
    "variable": "Variables",
    "pool": "Pools",
    "file": "Files",
    "module": "Modules",
}


def as_document(drafts: Drafts, version: str) -> dict[str, Any]:
    """For JSON. No value of a secret is in it."""
    return {
        "version": version,
        "teams": [_team(draft) for draft in drafts.teams.values()],
        "secrets": {
            "known": sorted(name for name, value in drafts.secrets.values.items() if value),
            "missing": sorted(name for name, value in drafts.secrets.values.items() if not value),
        },
        "not_placed": [each.as_dict() for each in sorted(set(drafts.unplaced))],
        "notes": list(dict.fromkeys(drafts.notes)),
    }


def as_page(drafts: Drafts, version: str) -> str:
    """For a person: what there is, what is left to do, and in which order."""
    return "\n".join(_lines(drafts, version)) + "\n"


def _lines(drafts: Drafts, version: str) -> Iterator[str]:
    yield f"# Imported from Airflow {plain(version) or '(unknown version)'}"
    yield from (
        "",
        "| team | Dags | members | connections | variables | pools |",
        "| --- | --- | --- | --- | --- | --- |",
    )
    for draft in drafts.teams.values():
        counts = " | ".join(str(len(draft.document.get(key, ()))) for key in _NAMED)
        yield f"| {draft.name} | {len(draft.dags)} | {counts} |"
    yield from ("", "## What to do", "", *_steps(drafts))
    yield from _unplaced(drafts.unplaced)
    if drafts.notes:
        yield from ("", "## Worth knowing", "", *(f"- {note}" for note in dict.fromkeys(drafts.notes)))
    yield from ("", "## What was whose, and was it running", "")
    yield from ("A new Dag is paused here. Unpause those that were running once the other deployment is stopped.", "")
    yield from ("| Dag | team | because of its | there |", "| --- | --- | --- | --- |")
    for draft in drafts.teams.values():
        for placed in draft.dags:
            state = "paused" if placed.dag.paused else "running"
            yield f"| `{plain(placed.dag.dag_id)}` | {draft.name} | {placed.rule} | {state} |"
    yield from _hosts(drafts)
    yield from _in_plain(drafts)


def _steps(drafts: Drafts) -> Iterator[str]:
    missing = sum(1 for value in drafts.secrets.values.values() if not value)
    steps = ["Read the team files: members and their roles above all. Nobody has got more than they had."]
    if missing:
        steps.append(f"Fill in `.env`: {missing} secrets could not be read.")
    if drafts.unplaced:
        steps.append(
            "Go through what could not be placed, below; a map file says whose it is (`--map`), then import again."
        )
    steps.append("`set -a; . ./.env; set +a`, then `airspace plan .` and `airspace apply .`, in this folder.")
    steps.append("`airspace user add NAME` for each member who shall sign in with a password.")
    steps.append("List the hosts that each team reaches under `network` in its file: at first there are none.")
    yield from (f"{number}. {step}" for number, step in enumerate(steps, 1))


def _unplaced(unplaced: list[Unplaced]) -> Iterator[str]:
    by_kind: dict[str, list[Unplaced]] = defaultdict(list)
    for each in sorted(set(unplaced)):
        by_kind[each.kind].append(each)
    if by_kind:
        yield from ("", "## What could not be placed")
    for kind, title in _TITLES.items():
        if by_kind[kind]:
            yield from ("", f"### {title}", "", "| name | why | what to do |", "| --- | --- | --- |")
            yield from (f"| `{plain(each.name)}` | {each.reason} | {each.todo} |" for each in by_kind[kind])


def _hosts(drafts: Drafts) -> Iterator[str]:
    """What the connections name, for a person to allow: nothing is allowed by an import."""
    lines = []
    for draft in drafts.teams.values():
        found = {
            f"{entry['host']}:{entry['port']}"
            for entry in draft.document.get("connections", {}).values()
            if "port" in entry and _HOST.fullmatch(entry.get("host", ""))
        }
        if found:
            lines.append(f"- {draft.name}: `network: {json.dumps(sorted(found))}`")
    if lines:
        yield from ("", "## Hosts of the connections", "", "To allow them, write into the team's file:", "", *lines)


def _in_plain(drafts: Drafts) -> Iterator[str]:
    shown = [
        (draft.name, name)
        for draft in drafts.teams.values()
        for name, value in draft.document.get("variables", {}).items()
        if not (isinstance(value, dict) and set(value) == {"env"})
    ]
    if shown:
        yield from ("", "## Variables whose values stand in the team files", "")
        yield "Neither their names nor their values look like secrets. If one is, write `{env: NAME}` in its place."
        yield from ("", *(f"- {team}: `{plain(name)}`" for team, name in shown))


def _team(draft: Draft) -> dict[str, Any]:
    return {
        "name": draft.name,
        "file": f"{draft.name}.yaml",
        "dags": [{"dag_id": p.dag.dag_id, "path": p.path, "rule": p.rule, "paused": p.dag.paused} for p in draft.dags],
        "members": draft.document.get("members", {}),
        **{key: sorted(draft.document.get(key, {})) for key in _NAMED[1:]},
    }
