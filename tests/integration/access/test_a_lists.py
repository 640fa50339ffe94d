"""Lists hold exactly what each person may see, and their totals say so. First, because later files add rows."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

pytestmark = pytest.mark.integration
Client = Callable[[str], httpx.Client]

PEOPLE = ["viewer", "operator", "author", "lead", "emil", "both", "sue", "iris", "admin", "nemo"]
NO = 403
# total_entries for each of PEOPLE; 403 where the list itself is refused
TOTALS: dict[str, list[int]] = {
    "dags": [1, 1, 1, 1, 1, 2, 3, 4, 4, 0],
    "dags/~/dagRuns": [1, 1, 1, 1, 1, 2, 3, 4, 4, 0],
    "dags/~/dagRuns/~/taskInstances": [1, 1, 1, 1, 1, 2, 3, 4, 4, 0],
    "dags/~/dagRuns/~/taskInstances/~/xcomEntries": [1, 1, 1, 1, 1, 2, 3, 4, 4, 0],
    "dags/~/dagVersions": [1, 1, 1, 1, 1, 2, 3, 4, 4, 0],
    "eventLogs?event=trigger": [1, 1, 1, 1, 1, 2, 3, 4, 4, 0],
    "eventLogs?event=connection.edit": [0, 0, 0, 0, 0, 0, 0, 1, 1, 0],
    "importErrors": [1, 1, 1, 1, 1, 2, 2, 3, 3, 0],
    "pools": [1, 1, 1, 1, 1, 2, 2, 4, 4, 0],
    "connections": [NO, NO, 1, 1, 1, NO, NO, 3, 3, NO],
    "variables": [NO, NO, 1, 1, 1, NO, NO, 3, 3, NO],
    "assets": [2, 2, 2, 2, 2, 3, 3, 3, 3, 0],
    "assets/events": [2, 2, 2, 2, 3, 4, 4, 4, 4, 0],
    "jobs": [NO, NO, NO, NO, NO, NO, NO, 0, 0, NO],
    "providers": [NO, NO, NO, NO, NO, NO, NO, -1, -1, NO],
    "/ui/backfills": [1, 1, 1, 1, 1, 2, 3, 4, 4, 0],
    "/ui/teams": [1, 1, 1, 1, 1, 2, 3, 3, 3, 0],
}


@pytest.mark.parametrize("path", TOTALS)
def test_each_person_sees_their_rows_and_no_more(as_user: Client, path: str) -> None:
    seen = []
    for name in PEOPLE:
        answer = as_user(name).get(path if path.startswith("/") else f"/api/v2/{path}")
        seen.append(answer.json()["total_entries"] if answer.status_code == 200 else answer.status_code)
    if path == "providers":
        seen = [-1 if total not in (NO, 0) else total for total in seen]
    assert dict(zip(PEOPLE, seen, strict=True)) == dict(zip(PEOPLE, TOTALS[path], strict=True))


def test_totals_and_pages_agree(as_user: Client) -> None:
    pages = [as_user("both").get(f"/api/v2/dags?limit=1&offset={offset}").json() for offset in (0, 1, 2)]
    assert [[dag["dag_id"] for dag in page["dags"]] for page in pages] == [["de_etl"], ["ds_train"], []]
    assert {page["total_entries"] for page in pages} == {2}


def test_a_consumer_sees_the_shared_asset_and_not_the_unshared_one(as_user: Client) -> None:
    names = {asset["name"] for asset in as_user("viewer").get("/api/v2/assets").json()["assets"]}
    assert names == {"user_profiles", "model"}
    assert {a["name"] for a in as_user("emil").get("/api/v2/assets").json()["assets"]} == {"user_profiles", "de_only"}


def test_an_import_error_of_a_file_without_a_dag_is_its_teams(as_user: Client) -> None:
    (mine,) = as_user("viewer").get("/api/v2/importErrors").json()["import_errors"]
    assert mine["bundle_name"] == "data_science"
    assert mine["stack_trace"] == "secret"
    (theirs,) = as_user("emil").get("/api/v2/importErrors").json()["import_errors"]
    path = f"/api/v2/importErrors/{theirs['import_error_id']}"
    assert as_user("emil").get(path).status_code == 200
    assert as_user("viewer").get(path).status_code == 404
    assert as_user("viewer").get(path).text == as_user("viewer").get("/api/v2/importErrors/4711").text.replace(
        "4711", str(theirs["import_error_id"])
    )


MENUS = {
    "nemo": {"Required Actions", "Assets", "Audit Log", "Dags", "Deadlines", "Docs", "Pools", "XComs"},
    "author": {"Connections", "Variables"},
    "iris": {"Config", "Jobs", "Plugins", "Providers", "Connections", "Variables"},
}


def test_the_menu_shows_what_leads_somewhere(as_user: Client) -> None:
    def menu(name: str) -> set[str]:
        return set(as_user(name).get("/ui/auth/menus").json()["authorized_menu_items"])

    assert menu("nemo") == menu("operator") == MENUS["nemo"]
    assert menu("author") == MENUS["nemo"] | MENUS["author"]
    assert menu("iris") == menu("admin") == MENUS["nemo"] | MENUS["iris"]
