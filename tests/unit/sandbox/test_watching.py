"""Watching a child in a loop that serves many."""

from __future__ import annotations

import json
import os
import subprocess
import sys

SCRIPT = """
import json, os, selectors, socket
from airspace.airflow.sandbox_child import watch

class Child:
    lost = silent = False
    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
    def watch(self):
        return (self.ours,)
    def poll(self):
        return None

selector, child = selectors.DefaultSelector(), Child()
stop = watch(selector, child)
number = child.ours.fileno()
stop()
child.ours.close()
other, end = socket.socketpair()          # somebody else's stream gets the number
os.dup2(other.fileno(), number)
innocent = socket.socket(fileno=number)
selector.register(innocent, selectors.EVENT_READ)
stop()
end.send(b"x")
print(json.dumps([len(selector.get_map()), len(selector.select(1))]))
"""


def test_what_is_stopped_twice_takes_nobody_elses_place() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [1, 1]
