"""Every rule holds something up: without any one of them somebody is refused over HTTP what they may."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from airspace.access.rules import RULES
from tests.integration.access.conftest import Server

pytestmark = pytest.mark.integration
Client = Callable[[str], httpx.Client]

# rule → who asks for what, and the total (or the status) without the rule
HOLDS_UP: dict[str, tuple[str, str, int]] = {
    "administrators_do_everything": ("admin", "/api/v2/dags", 0),
    "auditors_read_everything": ("iris", "/api/v2/dags", 1),
    "members_act_by_role": ("lead", "/api/v2/dags", 0),
    "support_reaches_every_team": ("sue", "/api/v2/dags", 0),
    "support_opens_the_platforms_home": ("sue", "/airspace/api/homes/platform", 404),
    "consumers_read_shared_assets": ("viewer", "/api/v2/assets", 1),
    "lists_open_where_rows_may_show": ("author", "/api/v2/variables", 403),
    "everyday_lists_open_for_everyone": ("nemo", "/api/v2/dags", 403),
    "everyone_opens_common_pages": ("nemo", "/api/v2/plugins", 403),
}


@pytest.fixture
def without(server: Server) -> Iterator[Callable[[str], None]]:
    yield server.without_rule.write_text
    server.without_rule.unlink(missing_ok=True)


@pytest.mark.parametrize("rule", [rule.__name__ for rule in RULES])
def test_without_it_somebody_is_missing_something(as_user: Client, without: Callable[[str], object], rule: str) -> None:
    person, path, expected = HOLDS_UP[rule]
    before = as_user(person).get(path)
    assert before.status_code == 200
    without(rule)
    after = as_user(person).get(path)
    assert (after.json()["total_entries"] if after.status_code == 200 else after.status_code) == expected
    assert before.json()["total_entries"] != expected
