"""``python -m benchmarks.report``: renew the tables of ``docs/benchmarks.md`` from the stored results."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.options import RESULTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
_SIDES = ("plain", "native", "airspace")
_STARTS = {"initialised": "a home that is initialised", "from_nothing": "from nothing, database included"}
Document = dict[str, Any]


def table(document: Document) -> str:
    """One benchmark's tables, in Markdown."""
    body = {"platform": _platform, "tasks": _tasks, "guard": _guard}[document["benchmark"]](document)
    return f"{_where(document)}\n\n{body}"


def _where(document: Document) -> str:
    machine, versions = document["machine"], document["versions"]
    quick = " **A quick run: one sample each, to prove the harness, not a result.**" if document["quick"] else ""
    return (
        f"{document['date'][:10]}, {machine['cpu']}, {machine['cores']} cores, {machine['ram_mb'] / 1024:.0f} GB,"
        f" {machine['system']}, Linux {machine['kernel']}; Airflow {versions['airflow']},"
        f" Python {versions['python']}, {versions['postgresql']}; commit {versions['commit']};"
        f" load before it began {document['load_before']:.1f}.{quick}"
    )


def _platform(document: Document) -> str:
    teams = document["timed_with_teams"]
    sides = [side for side in _SIDES if side in teams]
    lines = _header(["median seconds", *(f"{side} ({_teams(teams[side])})" for side in sides), *_versus(sides)])
    for kind, words in _STARTS.items():
        found = document["start"][kind]
        for key, what in (("ready_s", "ready"), ("first_success_s", "first task succeeded")):
            cells = [_number(found["medians"][side][key]) for side in sides]
            quotients = [_number(found["ratios"].get(name, {}).get(key), "×") for name in _pairs(sides)]
            lines.append(_row([f"{what}, {words}", *cells, *quotients]))
    return "\n".join([*lines, "", *_memory(document["memory"], sides)])


def _memory(memory: Document, sides: Sequence[str]) -> list[str]:
    counts = sorted({int(count) for side in sides for count in memory[side]})
    lines = _header(
        ["idle teams", *(f"{side}, MB" for side in sides), *_versus(sides), *(f"{s} ready, s" for s in sides)]
    )
    for count in counts:
        rows = {side: memory[side].get(str(count)) for side in sides}
        cells = [f"{row['idle']['pss_mb']:,.0f}" if row else "" for row in rows.values()]
        ratios = memory.get("ratios", {})
        quotients = [_number(ratios.get(name, {}).get(str(count)), "×") for name in _pairs(sides)]
        ready = [_number(row["ready_s"]) if row else "" for row in rows.values()]
        lines.append(_row([str(count), *cells, *quotients, *ready]))
    after = {side: told for side in sides if (told := _used(memory[side]))}
    if after:
        listed = "; ".join(f"{side} {told}" for side, told in after.items())
        lines += ["", f"After one task has run (by number of teams): {listed}."]
    return lines


def _used(rows: Document) -> str:
    found = {teams: row["after_a_task"]["pss_mb"] for teams, row in rows.items() if "after_a_task" in row}
    return ", ".join(f"{teams}: {mb:,.0f} MB" for teams, mb in found.items())


def _tasks(document: Document) -> str:
    lines = _header(["median seconds of a run", "plain", "airspace", "airspace / plain"])
    for key in sorted(key for key, value in document.items() if isinstance(value, dict) and "plain_s" in value):
        row = document[key]
        lines.append(_row([key, _number(row["plain_s"]), _number(row["airspace_s"]), _number(row["ratio"], "×")]))
    return "\n".join(lines)


def _guard(document: Document) -> str:
    lines = _header(["median of a request, ms", "without", "with", "the guard adds", "of the server's CPU, ms"])
    for what, row in document["routes"].items():
        sides = [_number(row[side]["median_ms"], " ") for side in ("without", "with")]
        lines.append(
            _row([what, *sides, _number(row["added"]["median_ms"], " "), _number(row["added"]["cpu_ms"], " ")])
        )
    return "\n".join(line.replace(" ms |", " |") for line in lines)


def _teams(count: int) -> str:
    return f"{count} teams" if count else "no teams"


def _pairs(sides: Sequence[str]) -> list[str]:
    return [f"airspace/{side}" for side in sides if side != "airspace"] if "airspace" in sides else []


def _versus(sides: Sequence[str]) -> list[str]:
    return [pair.replace("/", " / ") for pair in _pairs(sides)]


def _header(cells: Sequence[str]) -> list[str]:
    return [_row(cells), _row(["---"] * len(cells))]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, unit: str = "") -> str:
    return "–" if value is None else f"{value:.2f}{unit}" if unit else f"{value:.1f}"


def renewed(page: str, documents: Sequence[Document]) -> str:
    """The page with each benchmark's tables between its markers replaced."""
    for document in documents:
        name = document["benchmark"]
        pattern = re.compile(rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        text = table(document)
        page = pattern.sub(lambda found, text=text: f"{found[1]}{text}\n{found[2]}", page)  # type: ignore[misc]
    return page


def main() -> int:
    """Renew the page; says which results it found."""
    documents = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    PAGE.write_text(renewed(PAGE.read_text(), documents))
    print(f"{PAGE.name} shows {', '.join(d['benchmark'] for d in documents) or 'nothing'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
