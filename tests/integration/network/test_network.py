"""What teams reach through the relay: as root, and as an ordinary user."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from functools import cache

import pytest

from tests.integration.network import cases
from tests.integration.sandbox.house import repository
from tests.integration.sandbox.test_contract import readable_by_nobody


@cache
def outcomes(kind: str) -> dict[str, str | None]:
    """Case → error, of one run of all."""
    prefix: list[str] = []
    if os.getuid() == 0 and kind == "ordinary":
        nobody = pwd.getpwnam("nobody")
        prefix = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--"]
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "tests.integration.network.town"],
        cwd=repository(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found, done.stderr
    return {row["case"]: row["error"] for row in found}


@pytest.mark.parametrize("kind", ["root", "ordinary"])
@pytest.mark.parametrize("case", [case.__name__ for case in cases.ALL])
def test_promise(kind: str, case: str) -> None:
    if kind == "root" and os.getuid() != 0:
        pytest.skip("only as root")
    if kind == "ordinary" and os.getuid() == 0 and not readable_by_nobody():
        pytest.skip("no ordinary user could read this checkout")
    error = outcomes(kind)[case]
    assert error is None, error
