"""One real platform, started and driven by ``airspace demo`` on a fresh home, shared by all acceptance tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from airspace.backends.airflow_rest import Airflow, Session

DEMO_SECONDS = 600


@dataclass(frozen=True)
class Demo:
    """A finished demo and the platform that it left running."""

    home: Path
    code: int
    document: dict[str, Any]
    told: str
    rest: Airflow

    def airspace(self, *arguments: str, seconds: float = DEMO_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run the command line on this home."""
        return airspace(self.home, *arguments, seconds=seconds)

    def bring(self, name: str, files: dict[str, str], copy: Callable[[Path], None]) -> Session:
        """Apply team files beside a folder of Dags that ``copy`` fills; a session of their lead."""
        folder = self.home.parent / name
        copy(folder / "dags")
        for file, text in files.items():
            (folder / file).write_text(text)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        applied = self.airspace("apply", str(folder))
        assert applied.returncode == 0, applied.stderr
        return self.sign_in("ada")

    def components(self) -> dict[str, psutil.Process]:
        """The shared processes by name; equal are those that have one number and began at one moment."""
        parts = json.loads(self.airspace("status", "--json").stdout)["components"]
        return {part["name"]: psutil.Process(part["pid"]) for part in parts}

    def password(self, name: str) -> str:
        """The password that the demo told."""
        return next(str(user["password"]) for user in self.document["users"] if user["name"] == name)

    def sign_in(self, name: str) -> Session:
        """A REST session of this user."""
        return self.rest.sign_in(name, self.password(name))


def airspace(home: Path, *arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """The command line as a user runs it: the installed script, in an environment of its own."""
    command = Path(sys.executable).with_name("airspace")
    environ = {"PATH": os.environ["PATH"], "HOME": str(home.parent), "LANG": "C.UTF-8", "AIRSPACE_HOME": str(home)}
    return subprocess.run(
        [str(command), *arguments], env=environ, capture_output=True, text=True, timeout=seconds, check=False
    )


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """``airspace demo --players small --json`` on a fresh home."""
    top = Path(tempfile.mkdtemp(prefix="asp-", dir="/tmp"))
    top.chmod(0o755)
    home = top / "home"
    try:
        done = airspace(home, "demo", "--players", "small", "--json", seconds=DEMO_SECONDS)
        assert done.stdout.startswith("{"), f"exit {done.returncode}\n{done.stderr[-4000:]}"
        document = json.loads(done.stdout)
        with Airflow(document["url"]) as rest:
            yield Demo(home, done.returncode, document, done.stderr, rest)
    finally:
        airspace(home, "destroy", "--yes", seconds=120)
        shutil.rmtree(top, ignore_errors=True)
