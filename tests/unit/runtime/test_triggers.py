"""Whose turn, whose triggers, how often: the decisions of the triggerer. Airflow is asked in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from airspace.airflow.stream import RefilledMeter, SpoiledError
from airspace.airflow.triggers.pace import BURST, HEALTHY, MOST_FALLS, MOST_PAUSE, SHARE, Falls, Pace

SHARES = """
from airspace.airflow.triggers.whose import For, Found, homeless, share, watching
task, asset, callback = For.TASK, For.ASSET, For.CALLBACK

# What runs goes on running; a new one of a higher rank does not push it out.
found = [Found(1, "a", callback, False), Found(2, "a", task, True), Found(3, "a", task, True)]
found += [Found(4, "b", task, False)]
assert share(found, 2) == {"a": {2, 3}, "b": {4}}
assert share(found, 3) == {"a": {1, 2, 3}, "b": {4}}
# One that two teams wait for is nobody's, and so is one of no team.
mixed = [Found(1, "a", task, False), Found(1, "b", task, False), Found(2, None, task, True)]
mixed += [Found(3, None, asset, False)]
assert share(mixed, 9) == {}
assert homeless(mixed) == {2}
# Several things of one team may wait for one.
assert share([Found(1, "a", task, False), Found(1, "a", asset, True)], 1) == {"a": {1}}
# What watches is of the team that owns all of it.
owners = {"x": "a", "y": "a", "z": "b"}
watched = watching({1: {"x", "y"}, 2: {"x", "z"}, 3: {"x", "unknown"}, 4: {"unknown"}}, owners, {1})
assert [(each.id, each.team, each.ours) for each in watched] == [
    (1, "a", True), (2, None, False), (3, None, False), (4, None, False)]
"""

CLEAR = """
from airflow.models.crypto import get_fernet
from airspace.airflow.triggers.own import clear
def refused(text):
    try:
        return not clear(text)
    except ValueError as error:
        return str(error)
secret = get_fernet().encrypt(b'{"a": 1}').decode()
assert clear(secret) == clear('{"a": 1}') == '{"a": 1}'
assert clear(get_fernet().encrypt(b' {"a": 1}').decode()) == '{"a": 1}'
assert refused("x") == "its arguments cannot be read"
assert refused(get_fernet().encrypt(b'"a password"').decode()) == "its arguments are no JSON object"
assert refused("{") != ""
"""

# What ends right after its event is told in one message with it: what it was for still counts.
ENDED = """
from collections import deque
from airflow.jobs.triggerer_job_runner import TriggerEventEntry, messages
from airflow.triggers.base import TriggerEvent
from airspace.airflow.triggers.runner import TeamTriggers
from airspace.model.limits import CodeLimits

told = []
class Told(TeamTriggers):
    def _tell_assets(self, trigger_id, event): told.append((trigger_id, event.payload))
    def _sync(self, request_id, to_create, to_cancel=None): pass

runner = object.__new__(Told)
runner.limits, runner.on_news = CodeLimits(), lambda: None
for name in ("events", "failed_triggers"):
    setattr(runner, name, deque())
for name in ("wanted", "running_triggers", "_watching", "_lasting"):
    setattr(runner, name, {7, 8})
for name in ("_ended", "_told", "cancelling_triggers"):
    setattr(runner, name, set())
runner._instances, runner.logger_cache, runner._fired, runner.persisted_event_seqs = {}, {}, {}, []
events = [TriggerEventEntry(7, TriggerEvent(word), None) for word in ("one", "two")]
runner._on_state(messages.TriggerStateChanges(events=events, finished=[7, 8]), 1)
assert runner.running_triggers == {7}, "nothing is waited for where nothing was said"
runner.handle_events()
assert told == [(7, "one"), (7, "two")]
assert not (runner.running_triggers or runner._watching or runner._lasting or runner._ended)
assert runner.wanted == {7, 8}, "what watches begins again"
"""


@pytest.mark.parametrize("script", [SHARES, CLEAR, ENDED], ids=["shares", "arguments", "ended"])
def test_decisions_beside_airflow(script: str, tmp_path: Path) -> None:
    key = "AIRFLOW__CORE__FERNET_KEY"
    env = {"PATH": os.defpath, "HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path), "LANG": "C.UTF-8"}
    env[key] = "81HqDtbqAywKSOumSha3BhWNOdQ26slT6K0YaZeZyPs="
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_who_works_all_the_time_rests_in_between() -> None:
    now = [100.0]
    pace = Pace(clock=lambda: now[0])
    assert pace.spend(BURST - 0.1)
    assert not pace.spend(0.2)
    assert not pace.rested()
    now[0] += 0.4 / SHARE
    assert pace.rested()
    now[0] += 3600
    assert not pace.spend(BURST + 0.1), "rest is not saved up for ever"


def test_who_falls_again_and_again_waits_longer() -> None:
    falls, pauses = Falls(), []
    while not falls.hopeless:
        pauses.append(falls.fell(0.0, 1.0))
    assert len(pauses) == MOST_FALLS
    assert pauses == sorted(set(pauses))
    assert falls.fell(0.0, HEALTHY + 1) == pauses[0], "who ran for long begins anew"
    assert Falls(count=50).fell(0.0, 1.0) == MOST_PAUSE


def test_a_budget_that_grows_back() -> None:
    now = [0.0]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        meter = RefilledMeter(10, 2, "too much", clock=lambda: now[0]).on(ours)
        theirs.send(b"x" * 9)
        assert meter.recv_into(bytearray(99)) == 9
        now[0] = 4.0
        theirs.send(b"x" * 9)
        assert meter.recv_into(bytearray(99)) == 9
        theirs.send(b"x")
        with pytest.raises(SpoiledError, match="too much"):
            meter.recv_into(bytearray(99))
