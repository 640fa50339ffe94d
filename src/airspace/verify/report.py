"""The findings for people and for programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from airspace.verify.catalogue import ATTACKS, SURFACES
from airspace.verify.judge import BLOCKED, LOST, NOT_PROMISED, Row
from airspace.verify.service import Findings

_COLOURS = {BLOCKED: "green", LOST: "bold red", NOT_PROMISED: "yellow"}
_WORDS = {BLOCKED: "blocked", LOST: "LOST", NOT_PROMISED: "not promised"}


def document(findings: Findings) -> dict[str, Any]:
    """The document of ``airspace verify isolation --json``."""
    return {
        **findings.verdicts.as_dict(),
        "isolation": findings.isolation,
        "seconds": round(findings.seconds, 1),
        "left": list(findings.left),
    }


def show(findings: Findings, console: Console, *, tables: bool = True) -> None:
    """A table for each surface, then the sum.

    :param tables: False: only what was lost, and the sum
    """
    verdicts = findings.verdicts
    what = {attack.id: attack.what for attack in ATTACKS}
    for surface in SURFACES if tables else ():
        rows = [row for row in verdicts.rows if row.surface == surface]
        if rows:
            console.print(_table(surface, rows, what))
    for row in verdicts.rows:
        if row.verdict == LOST:
            console.print(Text(f"LOST {row.id}: a task of one team can {what[row.id]}", style="bold red"))
            console.print(Text(f"     {row.observed}", style="red"))
    if verdicts.not_run:
        console.print(f"{len(verdicts.not_run)} were not run, because they need --destructive.")
    for left in findings.left:
        console.print(Text(f"could not be removed: {left}", style="yellow"))
    counts = {verdict: verdicts.count(verdict) for verdict in (BLOCKED, LOST, NOT_PROMISED)}
    colour = "green" if verdicts.held else "red"
    console.print(
        f"[bold {colour}]{counts[BLOCKED]} blocked, {counts[LOST]} lost, {counts[NOT_PROMISED]} not promised[/]"
        f" with isolation {findings.isolation}, after {findings.seconds:.0f} s"
    )
    if not verdicts.held and not counts[LOST]:
        console.print("Nothing was shown to be blocked, so nothing is verified.")


def _table(surface: str, rows: list[Row], what: dict[str, str]) -> Table:
    table = Table(title=surface, title_justify="left", title_style="bold", expand=True)
    table.add_column("a task of one team tries to", ratio=4)
    table.add_column("verdict", no_wrap=True)
    table.add_column("observed", ratio=4)
    for row in rows:
        table.add_row(Text(what[row.id]), Text(_WORDS[row.verdict], style=_COLOURS[row.verdict]), Text(row.observed))
    return table
