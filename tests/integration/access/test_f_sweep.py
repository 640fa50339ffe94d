"""Every address that can be read, read by a viewer of one team: no word of another team's comes back."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest

from tests.integration.access.conftest import Server

pytestmark = pytest.mark.integration
Client = Callable[[str], httpx.Client]

FOREIGN = ("de_etl", "de_only", "data_engineering", "orphan", "nobodys", "data_analytics")
FOREIGN += ("global_warehouse", "global_threshold", "global_gpu", "global_broken")


def fill(path: str, asset_id: int) -> list[str]:
    """The address for all Dags and for an own one, where it has parameters that can be filled."""
    values = {"dag_run_id": "r1", "run_id": "r1", "task_id": "fit", "asset_id": str(asset_id), "map_index": "-1"}
    values |= {"try_number": "1", "xcom_key": "answer", "version_number": "1", "task_try_number": "1"}
    path = re.sub(r"\{(\w+)(:\w+)?\}", lambda found: values.get(found[1], found[0]), path)
    path += {"/ui/structure/structure_data": "?dag_id=ds_train"}.get(path, "?start_date=2025-01-01T00:00:00Z")
    return [filled for dag in ("~", "ds_train") if "{" not in (filled := path.replace("{dag_id}", dag))]


def test_no_foreign_word_comes_back(server: Server, as_user: Client) -> None:
    viewer, admin = as_user("viewer"), as_user("admin")
    shared = next(a["id"] for a in viewer.get("/api/v2/assets").json()["assets"] if a["name"] == "user_profiles")
    leaks: dict[str, set[str]] = {}
    asked, seen_by_admin = 0, 0
    for route in server.without_rule.with_name("routes").read_text().splitlines():
        # One waits, one would end the session, and the own Dag's source is the file that fills the database.
        if route.endswith(("/wait", "/logout")) or "dagSources" in route:
            continue
        for path in dict.fromkeys(fill(route, shared)):
            asked += 1
            answer = viewer.get(path)
            assert answer.status_code not in (401, 500), (path, answer.text)
            text = answer.text
            if found := {word for word in FOREIGN if word in text}:
                leaks.setdefault(route, set()).update(found)
            seen_by_admin += any(word in admin.get(path).text for word in FOREIGN)
    assert not leaks
    assert asked > 100, "the list of routes is not what it was"
    assert seen_by_admin > 12, "the words are there to be seen"
