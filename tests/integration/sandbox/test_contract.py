"""Each kind of sandbox keeps the same promises: as root, as an ordinary user; without walls, what is left of them."""

from __future__ import annotations

import pytest

from tests.integration.sandbox import cases, weights
from tests.integration.sandbox.outcomes import Run, outcomes

pytestmark = pytest.mark.timeout(600)
KINDS = ("root", "ordinary", "none")
HOUSE = "tests.integration.sandbox.house"
RUNS = {kind: Run(kind, HOUSE, ("none" if kind == "none" else "walls",)) for kind in KINDS}
CASES = {"root": (*cases.ALL, *weights.ALL), "ordinary": (*cases.ALL, *weights.ALL), "none": cases.EVERYWHERE}


@pytest.mark.parametrize(
    ("kind", "case"),
    [(kind, case.__name__) for kind in KINDS for case in CASES[kind]],
)
def test_promise(kind: str, case: str) -> None:
    found = outcomes(RUNS[kind], *RUNS.values())
    assert case in found, "its run was cut off"
    error = found[case]
    assert error is None, error
