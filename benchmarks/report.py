"""``python -m benchmarks.report``: renew the tables of ``docs/benchmarks.md`` from the stored results."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot

from benchmarks import summary
from benchmarks.options import RESULTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
_SIDES = ("plain", "native", "airspace")
_STARTS = {"initialised": "a home that is initialised", "from_nothing": "from nothing, database included"}
Document = dict[str, Any]


def table(document: Document) -> str:
    """One benchmark's tables, in Markdown."""
    makers = {
        "platform": _platform,
        "wall": _wall,
        "parse": _parse,
        "neighbour": _neighbour,
        "guard": _guard,
        "access": _access,
        "edits": _edits,
        "fair": _fair,
        "triggers": _triggers,
        "network": _network,
        "onboarding": _onboarding,
        "crowd": _crowd,
        "view": _view,
    }
    body = makers[document["benchmark"]](document)
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


def _wall(document: Document) -> str:
    lines = _header(
        [
            "seconds, median (p95)",
            "plain",
            "airspace",
            "airspace / plain",
            "queued → started, median (p95): plain",
            "airspace",
        ]
    )
    for key in sorted(key for key, value in document.items() if isinstance(value, dict) and "plain_s" in value):
        row = document[key]
        waits = [_wait(row.get("queued_to_started", {}).get(side)) for side in ("plain", "airspace")]
        sides = [_took(row, side) for side in ("plain", "airspace")]
        lines.append(_row([key, *sides, _number(row["ratio"], "×"), *waits]))
    if found := document.get("sandboxes"):
        memory = found["pss_mb_by_warm_teams"]
        cold, warm = (sorted(found[f"{which}_task_queued_to_started_s"]) for which in ("first", "second"))
        lines += [
            "",
            f"A team's first task, with its sandbox built: {cold[len(cold) // 2]:.2f} s from the queue to its start"
            f" (worst of {len(cold)}: {cold[-1]:.2f}); its second: {warm[len(warm) // 2]:.2f} s."
            f" Memory of the whole platform: {memory[0]:,.0f} MB with no sandbox, {memory[1]:,.0f} with the first,"
            f" {memory[-1]:,.0f} with {len(memory) - 1}: {found['mb_a_further_team']} MB for each further team.",
        ]
    for side, counts in document.get("failed_of_a_crowd", {}).items():
        if counts:
            listed = ", ".join(str(count) for count in counts)
            lines += [
                "",
                f"Of a thousand tasks, {side} failed {listed} in tries that were repeated; a third one of a round"
                " counts as it is, for plain Airflow alone.",
            ]
    return "\n".join([*lines, *_running(document.get("running_tasks", {}))])


def _took(row: Document, side: str) -> str:
    """From end to end: median, and what 95 of 100 stay below."""
    worst = summary.p95(row["samples"].get(side, []))
    return _number(row[f"{side}_s"]) + (f" ({_number(worst)})" if worst is not None else "")


def _running(sides: Document) -> list[str]:
    """What each running task adds to the memory."""
    if not sides:
        return []
    lines = ["", *_header(["each running task adds, MB", "in all", "its process", "its supervisor", "the rest"])]
    for side, rows in sides.items():
        for what, row in rows.items():
            count, _, teams = what.split("_")
            words = f"{side}: {count} of {teams} team{'s' if teams != '1' else ''}"
            lines.append(_row([words, *(_number(row[key]) for key in ("mb", "task_mb", "supervisor_mb", "rest_mb"))]))
    return lines


def _wait(found: Document | None) -> str:
    return f"{found['median_s']:.2f} ({found['p95_s']:.2f})" if found else "–"


def _parse(document: Document) -> str:
    lines = _header(
        [
            f"seconds for {document['files']:,} files of {document['teams']} teams",
            "plain",
            "airspace",
            "airspace / plain",
        ]
    )
    for key, what in (("first", "the first time"), ("unchanged", "again, unchanged, after a restart")):
        row = document[key]
        lines.append(_row([what, _number(row["plain_s"]), _number(row["airspace_s"]), _number(row["ratio"], "×")]))
    return "\n".join(lines)


def _neighbour(document: Document) -> str:
    lines = _header(
        ["side", "beside", "processors it may use", "a chain of three alone, s", "worst, s", "beside it, s", "worst, s",
         "beside / alone", "worst / worst", "what became of it"]
    )  # fmt: skip
    for row in document["rows"]:
        may_use = "all" if row["may_use"] is None else str(row["may_use"])
        seconds = [_number(row[key], " ").strip() for key in ("alone_s", "alone_worst_s", "median_s", "worst_s")]
        ratios = [_number(row[key], "×") for key in ("ratio", "worst_ratio")]
        lines.append(
            _row([row["side"], row["neighbour"], may_use, *seconds, *ratios, row["became"].replace("|", "\\|")])
        )
    return "\n".join(lines)


def _guard(document: Document) -> str:
    lines = _header(["median of a request, ms", "without", "with", "the guard adds", "of the server's CPU, ms"])
    for what, row in document["routes"].items():
        sides = [_number(row[side]["median_ms"], " ") for side in ("without", "with")]
        lines.append(
            _row([what, *sides, _number(row["added"]["median_ms"], " "), _number(row["added"]["cpu_ms"], " ")])
        )
    return "\n".join(line.replace(" ms |", " |") for line in lines)


def _access(document: Document) -> str:
    lines = _header(["where", "as", "what", "Dags seen", "queries", "median, ms", "p95, ms", "processor, ms"])
    for row in document["rows"]:
        size, manager = row["where"].split()
        teams, dags = document["sizes"][size]
        cells = [f"{manager}, {teams} × {dags} Dags", row["who"], row["what"], str(row["dags"])]
        queries = "–".join(str(count) for count in dict.fromkeys((row["queries"][0], row["queries"][-1])))
        lines.append(_row([*cells, queries, *(_number(row[key]) for key in ("median_ms", "p95_ms", "cpu_ms"))]))
    verdict = document["verdict"]
    lines += ["", *_header(["ratio", "median", "p95", "processor"])]
    ratios = {f"airspace / simple: {what}": found for what, found in verdict["against_simple"].items()}
    ratios["a member's first page: 100 teams / alone"] = verdict["first_page_crowd_against_alone"]
    for what, found in ratios.items():
        lines.append(_row([what, *(_number(found[key], "×") for key in ("median_ms", "p95_ms", "cpu_ms"))]))
    return "\n".join(lines)


def _edits(document: Document) -> str:
    sides = [side for side in _SIDES if side in document]
    lines = _header(["seconds until it is seen, median (worst)", *sides])
    for key, what in (("edit", "a changed file"), ("new", "a new file")):
        rows = [document[side][key] for side in sides]
        cells = [
            "over 60" if row["worst_s"] is None else f"{row['median_s']:.2f} ({row['worst_s']:.2f})" for row in rows
        ]
        lines.append(_row([what, *cells]))
    return "\n".join(lines)


def _fair(document: Document) -> str:
    sides = [side for side in _SIDES if side in document]
    lines = _header(
        ["the neighbour holds", "side", "alone, s", "median, s", "worst, s", "worst / alone", "never done",
         "neighbour alone, tasks/s", "beside it", "it keeps"]
    )  # fmt: skip
    for scenario in ("static", "mapped", "runs"):
        for side in [side for side in sides if scenario in document[side]]:
            row = document[side][scenario]
            alone, worst = row["alone_median_s"], row["worst_s"]
            times = [_number(value, " ").strip() for value in (alone, row["median_s"], worst)]
            lines.append(
                _row(
                    [f"{document['held']:,} tasks, {_HOLDS[scenario]}", side, *times,
                     _number(worst / alone if worst and alone else None, "×"),
                     f"{row['unfinished']} of {len(row['quiet_s'])}",
                     _number(row["neighbour_alone_per_s"]), _number(row["neighbour_per_s"]),
                     _number(row["neighbour_keeps"])]
                )
            )  # fmt: skip
    backlogs = sorted({point["backlog"] for side in sides for point in document[side].get("loops", ())})
    lines += ["", *_header(["scheduler's loop, ms (median / worst), at a backlog of", *(f"{b:,}" for b in backlogs)])]
    for side in sides:
        points = {point["backlog"]: point for point in document[side].get("loops", ())}
        if not points:
            continue
        cells = [f"{p['median_ms']:,.0f} / {p['worst_ms']:,.0f}" if (p := points.get(b)) else "–" for b in backlogs]
        lines.append(_row([side, *cells]))
    return "\n".join([*lines, "", "![The scheduler's loop against the backlog](images/scheduler-loop.svg)"])


def _triggers(document: Document) -> str:
    sides = [side for side in _SIDES if side in document]
    held = f"{document['held']:,} triggers of {document['teams']} teams"
    lines = _header(
        ["side", "deferred → resumed, median s", f"beside {held}: median", "worst", f"{held}: MB more", "triggerer, MB",
         "and runners, MB"]
    )  # fmt: skip
    for side in sides:
        row = document[side]
        weights = row["with_held"]["by_title"]
        times = [_number(row[key], " ").strip() for key in ("alone_median_s", "beside_median_s", "beside_worst_s")]
        mbs = [row["more_mb"], weights.get("triggerer"), weights.get("triggers")]
        lines.append(_row([side, *times, *(_number(mb) for mb in mbs)]))
    return "\n".join(lines)


def _network(document: Document) -> str:
    rows = {"direct": "on the machine itself", "relay": "from a sandbox", "relay_by_name": "from a sandbox, by name"}
    lines = _header(
        ["a connection, one byte there and back", "median, ms", "p95, ms", "download, MB/s", "upload, MB/s"]
    )
    for key, what in rows.items():
        if row := document.get(key):
            times = [_number(row[name], " ").strip() for name in ("median_ms", "p95_ms")]
            speeds = [f"{row[name]:,}" if name in row else "–" for name in ("download_mb_s", "upload_mb_s")]
            lines.append(_row([what, *times, *speeds]))
    return "\n".join(lines)


def _onboarding(document: Document) -> str:
    lines = _header(["from adding a team to the end of its first task, s", "median", "worst"])
    rows = {"airspace": "airspace, warm", "native": "native: a row, two settings, everything restarted"}
    for side, what in rows.items():
        if row := document.get(side):
            cells = [_number(row["warm_s"], " ").strip(), _number(row.get("worst_s", max(row["samples"])), " ").strip()]
            lines.append(_row([what, *cells]))
    if row := document.get("airspace"):
        lines.append(_row(["airspace, the first after a start", _number(row["cold_s"], " ").strip(), "–"]))
    if found := document.get("files"):
        lines += ["", *_header([f"{document['many']} team files", "seconds"])]
        for key, what in (
            ("apply_new_s", "all new, applied"),
            ("plan_s", "planned, nothing to change"),
            ("one_change_s", "one of them changed, applied"),
        ):
            lines.append(_row([what, _number(found[key], " ").strip()]))
    return "\n".join(lines)


def _crowd(document: Document) -> str:
    points = document["points"]
    lines = _header([f"idle teams, {document['dags_a_team']} Dags each", *(f"{point['teams']:,}" for point in points)])
    for key, what in (
        ("apply_s", "the new ones applied, s"),
        ("all_known_s", "until all their Dags are known, s"),
        ("cycle_s", "all files read again, unchanged, s"),
        ("edit_s", "a changed file, until it is stored, s"),
        ("pss_mb", "memory of all processes, MB"),
        ("processes", "processes"),
        ("teams_with_a_process", "teams that have a process"),
    ):
        digits = 1 if key in ("edit_s", "apply_s") else 0
        lines.append(_row([what, *(f"{point[key]:,.{digits}f}" for point in points)]))
    for part in ("scheduler", "dag-processor", "api-server", "triggerer", "postgres", "fetcher"):
        cells = [f"{point['by_title'].get(part, 0):,.0f}" for point in points]
        lines.append(_row([f"{part}, MB", *cells]))
        cells = [f"{100 * point['idle_cpu'].get(part, 0):.1f}" for point in points]
        lines.append(_row([f"{part}, idle, % of a processor", *cells]))
    for key, what in (("idle_loop_ms", "a loop of the scheduler decides, ms"), ("run_s", "a run of two tasks, s")):
        lines.append(_row([f"{what}: median", *(_number(point[key]["median"], " ").strip() for point in points)]))
    for who, lists in points[0]["lists_ms"].items():
        for name in lists:
            found = [point["lists_ms"][who][name] for point in points]
            lines.append(_row([f"{who}: {name}, ms (p95)", *(f"{f['median']:,.0f} ({f['p95']:,.0f})" for f in found)]))
    more = document["mb_an_idle_team"]
    last = (
        [] if more is None else [f"A further idle team: {more:.2f} MB in all processes together, and none of its own."]
    )
    return "\n".join([*lines, "", *last, "", "![What grows with the number of teams](images/crowd.svg)"])


_HOLDS = {"static": "one run", "mapped": "one run, mapped", "runs": "a thousand runs"}


def _view(document: Document) -> str:
    teams, dags = document["teams"], document["dags"]
    lines = _header(
        [f"median ms; plain has {dags} Dags, airspace {teams} teams of {dags}", "plain", "airspace", "ratio"]
    )
    for row in document["rows"]:
        cells = (_number(row["plain"]), _number(row["airspace"]), _number(row["ratio"], "×"))
        lines.append(_row([row["what"], *cells]))
    return "\n".join(lines)


def draw_loops(document: Document) -> str:
    """The scheduler's loop time against the backlog, as a picture (SVG)."""
    matplotlib.use("svg")
    with matplotlib.rc_context({"svg.hashsalt": "airspace", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure, axes = pyplot.subplots(figsize=(7.2, 3.6), layout="constrained")
        for side in _SIDES:
            if points := document.get(side, {}).get("loops"):
                axes.plot([p["backlog"] for p in points], [p["median_ms"] for p in points], marker="o", label=side)
        axes.set(title="Scheduler loop against backlog", xlabel="tasks that wait", ylabel="median loop, ms")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend()
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    return out.getvalue()


def draw_crowd(document: Document) -> str:
    """Memory, the cycle of reading and a list, against the number of teams, as a picture (SVG)."""
    points = document["points"]
    teams = [point["teams"] for point in points]
    matplotlib.use("svg")
    with matplotlib.rc_context({"svg.hashsalt": "airspace", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure, (memory, cycle, lists) = pyplot.subplots(1, 3, figsize=(10.8, 3.2), layout="constrained")
        for part in ("scheduler", "dag-processor", "api-server", "triggerer", "postgres"):
            memory.plot(teams, [point["by_title"].get(part, 0) for point in points], marker="o", label=part)
        cycle.plot(teams, [point["cycle_s"] for point in points], marker="o", label="all files read again")
        for who in points[0]["lists_ms"]:
            name = next(iter(points[0]["lists_ms"][who]))
            lists.plot(teams, [point["lists_ms"][who][name]["median"] for point in points], marker="o", label=who)
        for axes, title in ((memory, "memory, MB"), (cycle, "reading, s"), (lists, "first page of Dags, ms")):
            axes.set(title=title, xlabel="teams")
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
            axes.legend(fontsize="small")
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    return out.getvalue()


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
    pictures = {"fair": ("scheduler-loop.svg", draw_loops), "crowd": ("crowd.svg", draw_crowd)}
    for document in documents:
        if document["benchmark"] in pictures:
            name, draw = pictures[document["benchmark"]]
            (PAGE.parent / "images" / name).write_text(draw(document))
    print(f"{PAGE.name} shows {', '.join(d['benchmark'] for d in documents) or 'nothing'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
