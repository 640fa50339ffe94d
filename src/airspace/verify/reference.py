"""The tables of ``docs/verify-isolation.md``: every attack, and how it ended where it was tried.

``python -m airspace.verify.reference docs/verify-isolation.json docs/verify-native.json`` prints them, and the sum that
``docs/native-leaks.md`` tells.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airspace.verify.attack import DOES_NOT_APPLY, NOT_TRIED
from airspace.verify.catalogue import ATTACKS


def reference(seen: Mapping[str, Sequence[str]], native: Mapping[str, Any]) -> str:
    """The table of ``docs/verify-isolation.md``, made from the catalogue's rows.

    :param seen: id → the verdicts as root, as an ordinary user, and with isolation none, as they were seen
    :param native: what ``python -m benchmarks.native_isolation`` stored
    """
    columns = ("id", "a task of one team tries to …", "control", "must fail", "root", "user", "none", "native")
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    for attack in ATTACKS:
        when = attack.promise.value + (", `--destructive`" if attack.harmful else "")
        verdicts = [_SHORT[verdict] for verdict in (*seen[attack.id], native["rows"][attack.id]["verdict"])]
        cells = (f"`{attack.id}`", attack.what, attack.control.value, when, *verdicts)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def native_reference(native: Mapping[str, Any]) -> str:
    """What Airflow's own multi-team was seen to do: on what, the sum, and every row that is not blocked.

    :param native: see :func:`reference`
    """
    rows, versions, on = native["rows"], native["versions"], native["machine"]
    verdicts = [row["verdict"] for row in rows.values()]
    counts = [f"{verdicts.count(each)} {words}" for each, words in _WORDS.items()]
    lines = [
        f"{native['deployment']}, as `{native['ran_as']}`. Airflow {versions['airflow']}, Python {versions['python']},"
        f" {on['system']}, Linux {on['kernel'].split('-')[0]}, {on['cores']} cores; {native['date'][:10]}.",
        f"{', '.join(counts)}.",
        "",
        "| id | native | what was seen, or why not |",
        "| --- | --- | --- |",
    ]
    for attack in ATTACKS:
        row = rows[attack.id]
        if row["verdict"] != "blocked":
            lines.append(f"| `{attack.id}` | {_SHORT[row['verdict']]} | {row['observed'].replace('|', '/')} |")
    return "\n".join(lines)


def native_sum(native: Mapping[str, Any]) -> str:
    """The two lines of ``docs/native-leaks.md`` that tell how many of the attacks were made there.

    :param native: see :func:`reference`
    """
    rows = native["rows"]
    verdicts = [row["verdict"] for row in rows.values()]
    left = sorted({name.partition(".")[0] for name, row in rows.items() if row["verdict"] == NOT_TRIED})
    apart, untried = verdicts.count(DOES_NOT_APPLY), verdicts.count(NOT_TRIED)
    seen = {each: verdicts.count(each) for each in ("blocked", "lost", "not_promised")}
    return (
        f"Of the {len(rows)} attacks of verify, {sum(seen.values())} were also made on native multi-team:"
        f" {seen['blocked']} were blocked, {seen['lost']} lost, {seen['not_promised']} not shown.\n"
        f"{apart} do not apply, as it has no such thing; {untried} were not tried there ({', '.join(left)})."
    )


_SHORT = {"blocked": "blocked", "lost": "**lost**", "not_promised": "–", DOES_NOT_APPLY: "n/a", NOT_TRIED: "not tried"}
_WORDS = {
    "blocked": "blocked",
    "lost": "lost",
    "not_promised": "not shown",
    DOES_NOT_APPLY: "do not apply",
    NOT_TRIED: "not tried",
}


def main(seen: str, native: str) -> None:
    """Print both tables, and the sum.

    :param seen: path of the verdicts on this project; ``native``: of those on Airflow's own multi-team
    """
    measured = json.loads(Path(native).read_text())
    sys.stdout.write(reference(json.loads(Path(seen).read_text()), measured) + "\n\n")
    sys.stdout.write(native_reference(measured) + "\n\n")
    sys.stdout.write(native_sum(measured) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
