"""What teams reach through the relay: as root, and as an ordinary user."""

from __future__ import annotations

import pytest

from tests.integration.network import cases, clients, snowflake
from tests.integration.sandbox.house import SHOWN
from tests.integration.sandbox.outcomes import Run, outcomes

pytestmark = pytest.mark.timeout(600)
KINDS = ("root", "ordinary")
RUNS = {kind: Run(kind, "tests.integration.network.town") for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", [case.__name__ for case in (*clients.ALL, *cases.ALL)])
def test_promise(kind: str, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := clients.missing(case):
        pytest.skip(reason)
    monkeypatch.setenv(SHOWN, str(clients.STORE))
    found = outcomes(RUNS[kind], *RUNS.values())
    assert case in found, "its run was cut off"
    error = found[case]
    assert error is None, error


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", [case.__name__ for case in snowflake.ALL])
@pytest.mark.skipif(not snowflake.is_there(), reason="not set up: python3 scripts/bootstrap.py snowflake")
def test_snowflake(kind: str, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SHOWN, str(snowflake.ENVIRONMENT))
    error = outcomes(Run(kind, RUNS[kind].module, (case,)))[case]
    assert error is None, error
