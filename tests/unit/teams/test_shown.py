"""What a team file says is shown, and does nothing else to a terminal."""

from __future__ import annotations

import pytest

from airspace.cli.changes import MOST_TOLD, print_changes, print_problems, readable
from airspace.cli.output import shown
from airspace.model.change import Change, ChangeAction
from airspace.model.problem import Problem

FORGED = "hello\n- other: team\x1b[2K\x1b[1A\x9b1A\u202e"
PLAIN = r"hello\n- other: team\x1b[2K\x1b[1A\x9b1A\u202e"


def test_what_would_move_hide_or_forge_is_written_out() -> None:
    assert shown(FORGED) == PLAIN
    assert shown("Données 🚀 – [b]") == "Données 🚀 – [b]"
    assert shown("a\nb\x1b", lines=True) == "a\nb\\x1b"
    assert shown("\ud83d") == "\\ud83d"
    assert readable({"k": "\x9b\n"}) == '{"k": "\\x9b\\n"}'


def test_no_value_forges_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    change = Change("ops", f"variable {FORGED}", ChangeAction.CREATE, None, {f"k{FORGED}": FORGED}, risks=(FORGED,))
    print_changes([change])
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert said.splitlines() == [
        f"+ ops: variable {PLAIN}",
        f"      k{PLAIN}: {PLAIN}",
        f"    ! {PLAIN}",
    ]


def test_no_key_and_no_file_forges_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    print_problems(
        [Problem(f"{FORGED}.yaml", 1, 2, "", "unknown-key", f"unknown key {FORGED}", FORGED)], "error", "red"
    )
    assert capsys.readouterr().err.splitlines() == [
        f"{PLAIN}.yaml:1:2: error: unknown key {PLAIN} [unknown-key]",
        f"    fix: {PLAIN}",
    ]


def test_the_first_problems_of_a_file_are_enough_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    many = [Problem("a.yaml", line, 1, "", "unknown-key", "unknown key", "remove it") for line in range(1, 151)]
    print_problems([*many, Problem("b.yaml", 1, 1, "", "yaml", "bad", "mend it")], "error", "red")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 * MOST_TOLD + 1 + 2
    assert said[2 * MOST_TOLD] == "a.yaml: and 50 more"
    assert said[-2].startswith("b.yaml:1:1: error")
