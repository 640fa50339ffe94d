"""The catalogue is complete, documented, and every function of it is bounded."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from airspace.verify.attack import DOES_NOT_APPLY, NOT_TRIED, Control
from airspace.verify.catalogue import ATTACKS, SURFACES
from airspace.verify.inside import acts, runner
from airspace.verify.inside.acts import ACTS, Refused, Unshown
from airspace.verify.inside.facts import Facts, Process, process
from airspace.verify.reference import native_reference, native_sum, reference

runner.load()
PAGE = Path(__file__).parents[3] / "docs" / "verify-isolation.md"
FACTS = Facts("0a1b2c3d", "/nowhere", "secret", "run")


def test_every_row_has_a_function_and_every_function_a_row() -> None:
    ids = [attack.id for attack in ATTACKS]
    assert len(ids) == len(set(ids))
    assert set(ids) == set(ACTS)


def test_the_page_lists_every_row() -> None:
    seen, native = (json.loads(PAGE.with_name(f"verify-{kind}.json").read_text()) for kind in ("isolation", "native"))
    assert set(seen) == set(native["rows"]) == {attack.id for attack in ATTACKS}
    told = "run: python -m airspace.verify.reference docs/verify-isolation.json docs/verify-native.json"
    assert reference(seen, native) in PAGE.read_text(), told
    assert native_reference(native) in PAGE.read_text(), told
    assert native_sum(native) in PAGE.with_name("native-leaks.md").read_text(), told


def test_the_page_counts_what_it_lists() -> None:
    columns = zip(*json.loads(PAGE.with_name("verify-isolation.json").read_text()).values(), strict=True)
    for kind, seen in zip(("root", "an ordinary user", "root, with isolation none"), columns, strict=True):
        counts = [str(seen.count(verdict)) for verdict in ("blocked", "lost", "not_promised")]
        assert f"| {kind} | {' | '.join(counts)} |" in PAGE.read_text()


def test_what_was_seen_of_native_multi_team_has_its_evidence() -> None:
    rows = json.loads(PAGE.with_name("verify-native.json").read_text())["rows"]
    assert all(row["observed"] for row in rows.values())
    assert all(row["control"] for row in rows.values() if row["verdict"] not in (DOES_NOT_APPLY, NOT_TRIED))
    assert not [name for name, row in rows.items() if "broken" in row["observed"] + row["control"]]


def test_only_what_uses_things_up_needs_destructive() -> None:
    assert {attack.surface for attack in ATTACKS if attack.harmful} == {"exhaustion"}
    assert {attack.surface for attack in ATTACKS if not attack.harmful} == set(SURFACES) - {"exhaustion"}


def test_what_asks_the_victims_names_is_controlled_by_the_victim() -> None:
    assert {attack.control for attack in ATTACKS if attack.surface == "names"} == {Control.OWNER}


def test_facts_survive_the_way_through_json() -> None:
    facts = Facts("n", "/h", "s", "r", control={"scheduler": Process(7, "8")}, hashes=("a",))
    assert Facts.from_dict(facts.as_dict()) == facts
    assert Facts.from_dict(facts.as_dict(), role="outside").outside


def test_a_number_that_is_another_process_here_is_none() -> None:
    me = process(os.getpid())
    assert me.look() == os.getpid()
    with pytest.raises(ProcessLookupError, match="another one"):
        Process(me.pid, "1").look()


def test_a_folder_of_the_same_name_is_not_the_real_one(tmp_path: Path) -> None:
    facts = Facts("n", "/h", "s", "r", identities={str(tmp_path): "0:0"})
    with pytest.raises(FileNotFoundError, match="of the sandbox"):
        facts.real(tmp_path)


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Register functions for one test."""
    return monkeypatch


def _raise(error: BaseException) -> acts.Act:
    def function(_facts: Facts) -> str:
        raise error

    return function


@pytest.mark.parametrize(
    ("function", "outcome", "said"),
    [
        (lambda _facts: "got it\n in /nowhere/x", "done", "got it in $AIRSPACE_HOME/x"),
        (_raise(PermissionError(13, "Permission denied", "/x")), "refused", "Permission denied: /x"),
        (_raise(Refused("only its own")), "refused", "only its own"),
        (_raise(MemoryError()), "refused", "MemoryError"),
        (_raise(Unshown("no IPv6")), "unshown", "no IPv6"),
        (_raise(TypeError("oops")), "broken", "TypeError: oops"),
        (lambda _facts: os._exit(3), "refused", "the process was ended (exit code 3)"),
        (lambda _facts: os.kill(os.getpid(), 9) or "", "refused", "the process was ended (SIGKILL)"),
        (lambda _facts: time.sleep(60) or "", "unshown", "no answer within its time"),
    ],
)
def test_an_act_cannot_spoil_the_others(act: pytest.MonkeyPatch, function: acts.Act, outcome: str, said: str) -> None:
    act.setitem(ACTS, "test.act", function)
    if said == "no answer within its time":
        act.setattr(runner, "SECONDS", 0.3)
    result = runner.attempt("test.act", FACTS)
    assert (result.outcome, result.said) == (outcome, said)
    assert result.seconds < 20


def test_the_words_of_an_answer_are_unwrapped() -> None:
    wrapped = {"status_code": 403, "message": "error", "detail": {"detail": {"reason": "x", "message": "not yours"}}}
    kind = SimpleNamespace(value="VARIABLE_NOT_FOUND")
    assert runner.refusal(SimpleNamespace(error=kind, detail=wrapped)) == "not yours"
    assert runner.refusal(SimpleNamespace(error=kind, detail={"key": "k"})) == "variable not found: k"
    assert runner.refusal(SimpleNamespace(error=kind, detail=None)) == "variable not found"
