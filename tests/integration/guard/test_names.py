"""Variables and connections: a team has its own names, and nobody else's can be read, written or seen."""

from __future__ import annotations

import pytest

from tests.integration.guard.conftest import DE, DS, Lab, Task

pytestmark = pytest.mark.integration


def value(task: Task, key: str) -> str | None:
    """A variable as the task reads it."""
    answer = task.ask("GET", f"/variables/{key}")
    found: str | None = answer.json()["value"] if answer.status_code == 200 else None
    return found


def test_each_team_has_its_own_names(mine: Task, theirs: Task) -> None:
    assert (value(mine, "threshold"), value(theirs, "threshold")) == (f"{DS}-value", f"{DE}-value")
    passwords = [task.ask("GET", "/connections/warehouse").json()["password"] for task in (mine, theirs)]
    assert passwords == [f"{DS}-pass", f"{DE}-pass"]
    assert value(mine, f"{DS}.threshold") == f"{DS}-value", "the stored name works too"
    assert value(mine, "ds_plain") == "ds-value"


def test_what_a_task_sets_is_its_teams(lab: Lab, mine: Task, theirs: Task) -> None:
    for task, text in ((mine, "from science"), (theirs, "from engineering")):
        assert task.ask("PUT", "/variables/shared_name", json={"val": text, "description": "d"}).status_code == 201
    assert (value(mine, "shared_name"), value(theirs, "shared_name")) == ("from science", "from engineering")
    assert lab.value("SELECT team_name FROM variable WHERE key = :k", k=f"{DS}.shared_name") == DS
    assert mine.ask("DELETE", "/variables/shared_name").status_code == 204
    assert (value(mine, "shared_name"), value(theirs, "shared_name")) == (None, "from engineering")


@pytest.mark.parametrize("key", ["with/slash", "a/../b", "with%20space", "%C3%A4", "x.y", "q%3Fa%26b"])
def test_any_key_goes_both_ways(mine: Task, theirs: Task, key: str) -> None:
    assert mine.ask("PUT", f"/variables/{key}", json={"val": key}).status_code == 201
    assert value(mine, key) == key
    assert value(theirs, key) is None
    assert mine.ask("DELETE", f"/variables/{key}").status_code == 204


def test_a_variable_made_under_its_plain_name_stays_the_one(lab: Lab, mine: Task) -> None:
    assert mine.ask("PUT", "/variables/ds_plain", json={"val": "new"}).status_code == 201
    assert value(mine, "ds_plain") == "new"
    assert lab.value("SELECT count(*) FROM variable WHERE key LIKE '%ds_plain'") == 1
    mine.ask("PUT", "/variables/ds_plain", json={"val": "ds-value"})


@pytest.mark.parametrize("key", [f"{DE}.threshold", "de_plain", "everybodys"])
def test_no_write_reaches_what_is_not_the_teams(lab: Lab, mine: Task, theirs: Task, key: str) -> None:
    row = "SELECT md5(val || coalesce(team_name, '')) FROM variable WHERE key = :k"
    before = lab.value(row, k=key)
    with lab.unguarded():  # Airflow alone: an upsert on the key, whosever it is
        assert mine.ask("PUT", f"/variables/{key}", json={"val": "stolen"}).status_code == 201
    stolen = lab.value(row, k=key)
    assert stolen != before
    assert mine.ask("PUT", f"/variables/{key}", json={"val": "again"}).status_code == 201
    assert lab.value(row, k=key) == stolen
    assert value(mine, key) == "again", "it is the team's own of that name"
    assert mine.ask("DELETE", f"/variables/{key}").status_code == 204
    assert mine.ask("DELETE", f"/variables/{key}").status_code == 204
    assert lab.value(row, k=key) == stolen


def test_a_global_one_in_the_teams_namespace_is_not_the_teams(lab: Lab, mine: Task) -> None:
    for method in ("PUT", "DELETE"):
        answer = mine.ask(method, "/variables/squatted", json={"val": "x"})
        assert answer.status_code == 403
        assert "not team" in answer.json()["detail"]["message"]
    assert lab.value("SELECT count(*) FROM variable WHERE key = :k AND team_name IS NULL", k=f"{DS}.squatted") == 1


def test_global_ones_are_read_by_nobody(lab: Lab, mine: Task) -> None:
    with lab.unguarded():
        assert "global-pass" in mine.ask("GET", "/connections/everybodys").text
        assert value(mine, "everybodys") is not None
    assert mine.ask("GET", "/connections/everybodys").status_code == 404
    assert value(mine, "everybodys") is None


def test_the_listing_has_the_teams_short_names(mine: Task, theirs: Task) -> None:
    for task, team in ((mine, DS), (theirs, DE)):
        task.ask("PUT", f"/variables/listed_{team}", json={"val": "1"})
        answer = task.ask("GET", "/variables/keys", params={"prefix": "listed_"})
        assert answer.json() == {"keys": [f"listed_{team}"], "total_entries": 1}
    keys = mine.ask("GET", "/variables/keys").json()["keys"]
    assert "threshold" in keys
    assert not any(DE in key for key in keys)
    page = mine.ask("GET", "/variables/keys", params={"limit": 1, "offset": 1}).json()
    assert page["keys"] == keys[1:2]
    for prefix in (f"{DE}.", "%", "_", "data"):
        assert mine.ask("GET", "/variables/keys", params={"prefix": prefix}).json()["keys"] == []
