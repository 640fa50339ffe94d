"""How a plan reads: what, before, after, and why it is risky. The same for apply and drift."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from rich.text import Text

from airspace.cli.output import emit_json, err, out, shown
from airspace.model.change import Cause, Change, ChangeAction
from airspace.model.problem import Problem
from airspace.teams.files import InvalidFilesError
from airspace.teams.service import Outcome

if TYPE_CHECKING:
    from airspace.teams.authoring import Adopted

CHANGED = 3
"""Exit code of ``plan --exit-code`` and ``drift --exit-code``: it worked, and there is something to change."""

MOST_TOLD = 100
"""Problems of one file that a person is told."""

SIGNS = {
    ChangeAction.CREATE: ("+", "green"),
    ChangeAction.UPDATE: ("~", "yellow"),
    ChangeAction.DELETE: ("-", "red"),
}
_CAUSES = {
    Cause.FILE: "",
    Cause.DRIFT: "changed outside the file",
    Cause.BOTH: "changed in the file, and outside of it",
    Cause.UNCLEAR: "the secret is another one",
}


def print_changes(changes: Iterable[Change]) -> None:
    """One change a paragraph: the resource, its fields, its risks."""
    for change in changes:
        sign, colour = SIGNS[change.action]
        line = Text(shown(f"{sign} {change.team}: {change.resource}"), style=colour)
        if cause := _CAUSES[change.cause]:
            line.append(f"  ({cause})", style="magenta")
        out.print(line, soft_wrap=True)
        for field, value in _fields(change):
            out.print(Text(shown(f"      {field}: {value}"), style="dim"), soft_wrap=True)
        for risk in change.risks:
            out.print(Text(shown(f"    ! {risk}"), style="bold"), soft_wrap=True)


def print_outcome(outcome: Outcome, files: int | None) -> None:
    """The changes on stdout; on stderr what else there is to know.

    :param files: how many there were, when somebody wants to know
    """
    print_changes(outcome.changes)
    count, risky = len(outcome.changes), sum(bool(change.risks) for change in outcome.changes)
    what = f"{count} change{'s' if count != 1 else ''}" if count else "nothing to change"
    if risky:
        what += f", {risky} of them with a risk (!)"
    verb = "applied" if outcome.applied else "planned"
    source = "" if files is None else f"{files} team file{'s' if files != 1 else ''}, "
    err.print(Text(f"{verb}: {what} ({source}{outcome.seconds:.1f} s)"), soft_wrap=True)
    print_notes(outcome)


def print_notes(outcome: Outcome) -> None:
    """What is not wrong and yet somebody has to do."""
    if outcome.newcomers:
        names = _some(outcome.newcomers)
        err.print(Text(f"no account yet: {names}; airspace user add NAME"), soft_wrap=True)
    if outcome.gone:
        were = "team was" if len(outcome.gone) == 1 else "teams were"
        have = "has" if len(outcome.gone) == 1 else "have"
        text = f"{len(outcome.gone)} {were} applied from here and {have} no file now: {_some(outcome.gone)}"
        err.print(Text(f"{text}; --prune removes them"), soft_wrap=True)
    if outcome.unfinished:
        err.print(
            Text(f"an earlier apply did not end: {_some(outcome.unfinished)}; apply their files once more"),
            soft_wrap=True,
        )


def print_adopted(adopted: Adopted) -> None:
    """What was written into files, and what was not."""
    print_changes(adopted.adopted)
    for written in adopted.files:
        err.print(Text(shown(f"written: {written.file}")), soft_wrap=True)
    for change, reason in adopted.left:
        err.print(Text(shown(f"not adopted: {change.team}: {change.resource}: {reason}")), soft_wrap=True)
    if not adopted.files and not adopted.left:
        err.print("nothing was changed outside the files")


def print_problems(problems: Iterable[Problem], word: str, colour: str) -> None:
    """Every problem; of a file that has very many, the first. ``--json`` has all of them."""
    for file, found in groupby(problems, key=lambda problem: problem.file):
        for problem in islice(found, MOST_TOLD):
            _print_problem(problem, word, colour)
        if more := sum(1 for _ in found):
            err.print(Text(shown(f"{file}: and {more} more")), soft_wrap=True)


def _print_problem(problem: Problem, word: str, colour: str) -> None:
    """As compilers do, so that editors and CI find the place."""
    place = problem.file + (f":{problem.line}:{problem.column}" if problem.line else "")
    line = Text(shown(f"{place}: "))
    line.append(f"{word}: ", style=f"bold {colour}")
    line.append(shown(f"{problem.message} [{problem.rule}]"))
    err.print(line, soft_wrap=True)
    err.print(Text(shown(f"    fix: {problem.fix}")), soft_wrap=True)


@contextmanager
def problems_told(as_json: bool) -> Iterator[None]:
    """Tell every problem of team files before the error goes on."""
    try:
        yield
    except InvalidFilesError as error:
        if as_json:
            emit_json({"problems": [problem.as_dict() for problem in error.problems]})
        print_problems(error.problems, "error", "red")
        raise


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """A line on a terminal that says what is being done."""
    with err.status("applying") as status:
        yield lambda step: status.update(f"applying: {step}")


def readable(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return "–"
    return shown(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _fields(change: Change) -> Iterable[tuple[str, str]]:
    before, after = change.before, change.after
    if before is not None and after is not None:
        for key in after:
            yield key, f"{readable(before.get(key))} → {readable(after[key])}"
        return
    only: Mapping[str, Any] = (after if after is not None else before) or {}
    for key, value in only.items():
        yield key, readable(value)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
