"""Real processes that die, and many that publish at once. Forking happens in a process of its own, without threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

OWNER = "data_engineering"

# Every call below that touches the disk raises an audit event; a child dies, without clean-up, at its n-th.
DIE_AT_EVERY_STEP = """
import json, os, signal, sys
from airspace.sdk import publish, published

STEPS = ("open", "os.", "fcntl.", "shutil.")

def put(text):
    with publish("users", keep=2) as out:
        (out.path / "part.txt").write_text(text)
        out.describe(rows=len(text))

def die_at(step):
    seen = 0
    def hook(event, args):
        nonlocal seen
        if event.startswith(STEPS):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

put("old")
step, found = 0, []
while True:
    step += 1
    child = os.fork()
    if child == 0:
        die_at(step)
        put("new")
        os._exit(0)
    finished = os.waitpid(child, 0)[1] == 0
    current = published("data_engineering", "users")
    found.append((current.path / "part.txt").read_text())
    assert current.manifest.rows == 3
    put("old")
    if finished:
        break
print(json.dumps(found))
"""

MANY_AT_ONCE = """
import json, os, sys
from airspace.sdk import publish, published

def publisher(number):
    for turn in range(6):
        with publish("users", version="same", keep=3) as out:
            for part in range(3):
                (out.path / f"{part}.txt").write_text(f"{number}.{turn}")
            out.describe(rows=turn)

def reader():
    for _ in range(300):
        current = published("data_engineering", "users")
        texts = set()
        for part in range(3):
            try:
                texts.add((current.path / f"{part}.txt").read_text())
            except FileNotFoundError:  # three newer versions have come since: allowed, half a version is not
                assert published("data_engineering", "users").manifest.sequence != current.manifest.sequence
        assert len(texts) <= 1, texts

publisher(-1)
children = []
for work in [*(lambda n=n: publisher(n) for n in range(6)), reader, reader]:
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    children.append(child)
print(json.dumps([os.waitpid(child, 0)[1] for child in children]))
"""


def run(code: str, root: Path) -> Any:
    env = {**os.environ, "AIRSPACE_TEAM": OWNER, "AIRSPACE_STORAGE": str(root)}
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_crash_at_any_step_leaves_a_complete_version_and_the_next_publish_works(root: Path) -> None:
    found = run(DIE_AT_EVERY_STEP, root)
    assert len(found) > 20, "the steps were not seen"
    assert found == sorted(found, reverse=True), "once the new version is current it stays so"
    assert (found[0], found[-1]) == ("old", "new")
    staging = root / OWNER / ".staging" / "users"
    assert [entry.name for entry in staging.iterdir()] == [".lock"], "wrecks are swept away"
    assert len(list((root / OWNER / "published" / "users").iterdir())) == 3


def test_publishers_and_readers_at_once(root: Path) -> None:
    assert set(run(MANY_AT_ONCE, root)) == {0}
    folder = root / OWNER / "published" / "users"
    versions = [json.loads((entry / "manifest.json").read_text()) for entry in folder.iterdir() if entry.is_dir()]
    assert sorted(version["sequence"] for version in versions) == [40, 41, 42]
