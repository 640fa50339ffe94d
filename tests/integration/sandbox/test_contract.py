"""Each kind of sandbox keeps the same promises: as root, as an ordinary user; without walls, what is left of them."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from airspace.backends import accounts
from tests.integration.sandbox import cases, weights
from tests.integration.sandbox.house import repository

KINDS = ("root", "ordinary", "none")
CASES = {"root": (*cases.ALL, *weights.ALL), "ordinary": (*cases.ALL, *weights.ALL), "none": cases.EVERYWHERE}


@cache
def outcomes(kind: str) -> dict[str, str | None]:
    """Case → error, of one run of all."""
    prefix: list[str] = []
    if os.getuid() == 0 and kind == "ordinary":
        nobody = pwd.getpwnam("nobody")
        prefix = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--"]
    mode = "none" if kind == "none" else "walls"
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "tests.integration.sandbox.house", mode],
        cwd=repository(),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found, done.stderr
    return {row["case"]: row["error"] for row in found}


def readable_by_nobody() -> bool:
    """Whether an ordinary user could run this checkout with its interpreter."""
    nobody = accounts.find("nobody")
    needed = {Path(sys.prefix), Path(sys.base_prefix), repository()}
    folders = {folder for path in needed for folder in (path.resolve(), *path.resolve().parents)}
    return nobody is not None and not accounts.unreachable(nobody, folders)


@pytest.mark.parametrize(
    ("kind", "case"),
    [(kind, case.__name__) for kind in KINDS for case in CASES[kind]],
)
def test_promise(kind: str, case: str) -> None:
    if kind == "root" and os.getuid() != 0:
        pytest.skip("only as root")
    if kind == "ordinary" and os.getuid() == 0 and not readable_by_nobody():
        pytest.skip("no ordinary user could read this checkout")
    error = outcomes(kind)[case]
    assert error is None, error
