"""The demo's check fails when any one access rule is removed."""

from __future__ import annotations

import pytest

from airspace.access.rules import RULES
from airspace.demo.claim import verify
from airspace.demo.claims import ALL
from tests.integration.demo.conftest import World

pytestmark = pytest.mark.integration


def test_every_claim_holds_while_nothing_is_broken(world: World) -> None:
    seen = {claim.id: verify(claim, world.context) for claim in ALL}
    assert {claim_id: observation.text for claim_id, observation in seen.items() if not observation.ok} == {}
    assert len(seen) >= 10


@pytest.mark.parametrize("rule", [rule.__name__ for rule in RULES])
def test_the_check_fails_without_this_rule(world: World, rule: str) -> None:
    with world.lever(rules={"without": rule}):
        broken = next((claim.id for claim in reversed(ALL) if not verify(claim, world.context).ok), None)
    assert broken is not None
