"""The view of one team in the address, over HTTP: what is there, what is not, and where a browser is led."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from airspace.airflow.web import request_scope, team_view, view_as
from airspace.airflow.web.pages import bundle
from tests.integration.access.conftest import Server
from tests.integration.access.test_f_views_and_names import totals

pytestmark = pytest.mark.integration
Client = Callable[[str], httpx.Client]

DE, DS = "data_engineering", "data_science"
PAGE = {"accept": "text/html,*/*;q=0.8", "sec-fetch-dest": "document"}


@contextmanager
def browsing(server: Server, as_user: Client, name: str, **cookies: str) -> Iterator[httpx.Client]:
    """A browser of somebody who is signed in: a cookie, and pages."""
    token = as_user(name).headers["authorization"].removeprefix("Bearer ")
    with httpx.Client(base_url=server.url, cookies={"_token": token, **cookies}, headers=PAGE, timeout=60) as browser:
        yield browser


def dags(client: httpx.Client, prefix: str = "") -> list[str]:
    return sorted(dag["dag_id"] for dag in client.get(f"{prefix}/api/v2/dags").json()["dags"])


def test_a_view_holds_what_a_member_of_that_team_alone_sees(as_user: Client) -> None:
    both = as_user("both")
    assert dags(both) == dags(both, "/t/~") == ["de_etl", "ds_train"]
    assert dags(both, f"/t/{DE}") == ["de_etl"]
    assert totals(both, f"/t/{DS}") == totals(as_user("operator"))
    for path in ("ui/dependencies", "ui/dags", "api/v2/dagStats", "api/v2/eventLogs"):
        assert "ds_train" not in both.get(f"/t/{DE}/{path}").text
        assert "ds_train" in both.get(f"/t/{DS}/{path}").text
    for path in ("dags/ds_train", "dags/ds_train/dagRuns/r1", f"pools/{DS}.gpu"):
        assert both.get(f"/t/{DS}/api/v2/{path}").status_code == 200
        assert both.get(f"/t/{DE}/api/v2/{path}").status_code == 404


@pytest.mark.parametrize(
    ("person", "alike"), [("admin", "lead"), ("sue", "operator"), ("iris", "lead"), ("lead", "lead")]
)
def test_who_reaches_many_teams_sees_one_of_them_alone(as_user: Client, person: str, alike: str) -> None:
    assert totals(as_user(person), f"/t/{DS}") == totals(as_user(alike))
    assert as_user(person).get(f"/t/{DS}/api/v2/connections/global_warehouse").status_code in (403, 404)
    assert as_user(person).get(f"/t/{DS}/api/v2/jobs").status_code == 403, "the platform's pages are no team's"


def test_what_is_changed_in_a_view_is_that_teams(as_user: Client) -> None:
    both, admin = as_user("both"), as_user("admin")
    run = {"logical_date": None}
    assert both.post(f"/t/{DE}/api/v2/dags/ds_train/dagRuns", json=run).status_code == 404
    assert both.post(f"/t/{DE}/api/v2/dags/de_etl/dagRuns", json=run).status_code == 403, "a viewer there"
    assert both.post(f"/t/{DS}/api/v2/dags/ds_train/dagRuns", json=run).status_code == 200
    made = admin.post(f"/t/{DS}/api/v2/variables", json={"key": "in_a_view", "value": "1"})
    assert (made.status_code, made.json()["team_name"]) == (201, DS), "in a team's view, one's only team"
    assert admin.post(f"/t/{DS}/api/v2/variables", json={"key": "x", "value": "1", "team_name": DE}).status_code == 403
    assert as_user("iris").delete(f"/t/{DS}/api/v2/variables/{DS}.in_a_view").status_code == 403, "auditors only read"
    assert admin.delete(f"/t/{DS}/api/v2/variables/{DS}.in_a_view").status_code == 204


@pytest.mark.parametrize("path", ["/", "/dags", "/dags/ds_train", "/api/v2/dags", "/ui/dags", "/airspace/api/me"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_foreign_team_is_a_missing_one(server: Server, as_user: Client, path: str, method: str) -> None:
    def told(client: httpx.Client, team: str) -> tuple[int, str, Any]:
        answer = client.request(method, f"/t/{team}{path}")
        return answer.status_code, answer.text, answer.headers.get("set-cookie")

    if path.startswith(("/api", "/ui", "/airspace")):
        foreign, missing = (told(as_user("lead"), team) for team in (DE, "no_such_team"))
        assert foreign == missing == told(as_user("admin"), "no_such_team")
        assert missing[0] == 405 or missing == (404, '{"detail":"Not Found"}', None), "405: nobody was asked"
    with browsing(server, as_user, "lead") as browser:
        foreign, missing = (told(browser, team) for team in (DE, "no_such_team"))
        assert foreign == missing
        assert (foreign[0], foreign[2]) == (404, None), "and nobody is signed out"
    for team in (DE, "no_such_team"):
        anonymous = httpx.request(method, f"{server.url}/t/{team}/api/v2/dags")
        assert anonymous.status_code == (401 if method == "GET" else 405)
        assert team not in anonymous.text


def test_views_are_not_nested_and_not_the_tasks(as_user: Client, server: Server) -> None:
    admin = as_user("admin")
    for path in ("t/data_science/dags", "as/lead/dags", "execution/docs", "execution"):
        assert admin.get(f"/t/{DS}/{path}").status_code == 404
    assert admin.get(f"/as/lead/t/{DS}/execution/docs").status_code == 404
    for name in ("", "ab", "A_team", "a%2Fb", "~~", "%00x", "x" * 31):
        assert admin.get(f"/t/{name}/api/v2/dags").status_code == 404, name
    assert admin.get(f"/t/{DS}?a=b", follow_redirects=False).headers["location"] == f"/t/{DS}/?a=b"


def test_through_anothers_eyes_and_of_one_team(as_user: Client) -> None:
    admin = as_user("admin")
    assert dags(admin, f"/as/both/t/{DE}") == ["de_etl"]
    answer = admin.get(f"/as/both/t/{DE}/airspace/api/me")
    assert answer.headers["x-airspace-view"] == "both; read-only"
    told = answer.json()
    assert (told["user"], told["seen_by"], told["view"]) == ("both", "admin", DE)
    assert admin.get(f"/as/lead/t/{DE}/api/v2/dags").status_code == 404, "the lead is not in that team"
    refused = admin.post(f"/as/both/t/{DS}/api/v2/dags/ds_train/dagRuns", json={"logical_date": None})
    assert refused.status_code == 403
    assert as_user("lead").get(f"/as/both/t/{DS}/api/v2/dags").status_code == 404


def test_me_says_who_and_where(as_user: Client) -> None:
    told = as_user("both").get(f"/t/{DE}/airspace/api/me").json()
    assert (told["user"], told["view"], told["platform_role"], told["contact"]) == ("both", DE, None, None)
    assert [(team["name"], team["role"]) for team in told["teams"]] == [(DE, "viewer"), (DS, "operator")]
    for prefix in ("", "/t/~"):
        assert as_user("both").get(f"{prefix}/airspace/api/me").json() == {**told, "view": None}
    support = as_user("sue").get("/airspace/api/me").json()
    assert ({team["role"] for team in support["teams"]}, "platform" in support["homes"]) == ({"operator"}, True)
    newcomer = as_user("nemo").get("/airspace/api/me").json()
    assert (newcomer["teams"], newcomer["homes"], bool(newcomer["contact"])) == ([], [], True)


def test_where_a_dag_is_is_told_to_who_may_look(as_user: Client) -> None:
    def where(person: str, dag: str, prefix: str = "") -> tuple[int, str]:
        answer = as_user(person).get(f"{prefix}/airspace/api/where/dags/{dag}")
        return answer.status_code, answer.text.replace(dag, "it")

    assert where("both", "ds_train", f"/t/{DE}") == (200, f'{{"team":"{DS}"}}')
    assert where("sue", "de_etl") == (200, f'{{"team":"{DE}"}}')
    missing = where("lead", "no_such_dag")
    assert missing == (404, '{"detail":"The Dag with ID: `it` was not found"}')
    assert where("lead", "de_etl") == where("lead", "orphan") == where("nemo", "ds_train") == missing


LANDINGS: list[tuple[str, dict[str, str], str | None]] = [
    ("viewer", {}, f"/t/{DS}/"),
    ("both", {}, f"/t/{DE}/"),
    ("both", {"airspace_view": DS}, f"/t/{DS}/"),
    ("both", {"airspace_view": "data_analytics"}, f"/t/{DE}/"),
    ("both", {"airspace_view": "//evil.example"}, f"/t/{DE}/"),
    ("viewer", {"_token": "not a token"}, None),
    ("nemo", {}, None),
]


@pytest.mark.parametrize(("person", "cookies", "place"), LANDINGS)
def test_the_front_door_leads_into_ones_team(
    server: Server, as_user: Client, person: str, cookies: dict[str, str], place: str | None
) -> None:
    with browsing(server, as_user, person, **cookies) as browser:
        answer = browser.get("/?lang=de")
        assert answer.headers.get("location") == (f"{place}?lang=de" if place else None)
        assert answer.status_code == (307 if place else 200)
        assert browser.get("/", headers={"accept": "*/*"}).status_code == 200, "scripts stay"
        assert browser.get("/dags").status_code == 200


@pytest.mark.parametrize("person", ["admin", "iris", "sue"])
def test_who_holds_a_role_on_the_platform_begins_at_its_page(server: Server, as_user: Client, person: str) -> None:
    with browsing(server, as_user, person, airspace_view=DS) as browser:
        assert browser.get("/").headers.get("location") == ("/plugin/platform" if bundle.is_built() else None)
        assert browser.get("/as/both/").headers.get("location") == (None if person == "iris" else f"/as/both/t/{DS}/")


DEEP: list[tuple[str, str, str | None, bool]] = [
    ("both", "/dags/ds_train/runs/r1?try=2", f"/t/{DS}/dags/ds_train/runs/r1?try=2", False),
    ("both", f"/t/{DE}/dags/ds_train", f"/t/{DS}/dags/ds_train", True),
    ("both", f"/t/{DE}/dags/de_etl", None, False),
    ("both", "/t/~/dags/ds_train", None, False),
    ("sue", "/dags/ds_train", None, False),
    ("sue", f"/t/{DE}/dags/ds_train", f"/t/{DS}/dags/ds_train", True),
    ("admin", "/as/both/dags/ds_train", f"/as/both/t/{DS}/dags/ds_train", False),
]


@pytest.mark.parametrize(("person", "link", "place", "said"), DEEP)
def test_a_link_to_a_dag_leads_into_its_teams_view(
    server: Server, as_user: Client, person: str, link: str, place: str | None, said: bool
) -> None:
    with browsing(server, as_user, person) as browser:
        answer = browser.get(link)
        assert (answer.status_code, answer.headers.get("location")) == (307 if place else 200, place)
        assert ("airspace_switched" in answer.headers.get("set-cookie", "")) == said
    with browsing(server, as_user, "both", airspace_view=DE) as browser:
        assert "airspace_switched" in browser.get("/dags/ds_train").headers["set-cookie"], "from what was looked at"


def asset_number(as_user: Client, name: str) -> int:
    found = as_user("admin").get("/api/v2/assets", params={"name_pattern": name}).json()["assets"]
    return next(int(asset["id"]) for asset in found if asset["name"] == name)


TO_ASSETS: list[tuple[str, str, str, str | None, bool]] = [
    ("both", f"/t/{DE}", "model", f"/t/{DS}", True),
    ("both", f"/t/{DS}", "de_only", f"/t/{DE}", True),
    ("both", f"/t/{DS}", "user_profiles", None, False),  # shared with this team
    ("both", f"/t/{DE}", "user_profiles", None, False),
    ("both", "", "user_profiles", f"/t/{DE}", False),  # its owner's
    ("both", "", "model", f"/t/{DS}", False),
    ("both", "/t/~", "model", None, False),
    ("lead", f"/t/{DS}", "user_profiles", None, False),
    ("sue", "", "model", None, False),
    ("sue", f"/t/{DE}", "model", f"/t/{DS}", True),
    ("admin", f"/as/both/t/{DE}", "model", f"/as/both/t/{DS}", True),
]


@pytest.mark.parametrize(("person", "view", "asset", "place", "said"), TO_ASSETS)
def test_a_link_to_an_asset_leads_into_a_view_that_has_it(
    server: Server, as_user: Client, person: str, view: str, asset: str, place: str | None, said: bool
) -> None:
    path = f"/assets/{asset_number(as_user, asset)}?tab=events"
    with browsing(server, as_user, person) as browser:
        answer = browser.get(view + path)
        assert (answer.status_code, answer.headers.get("location")) == (307 if place else 200, place and place + path)
        assert ("airspace_switched" in answer.headers.get("set-cookie", "")) == said


NOWHERE: list[tuple[str, str, str]] = [
    ("both", "", "dags/da_spare"),
    ("both", f"/t/{DE}", "dags/da_spare/runs/r1"),
    ("both", "/t/~", "dags/da_spare"),
    ("lead", f"/t/{DS}", "dags/de_etl"),
    ("lead", f"/t/{DS}", "dags/orphan"),
    ("lead", f"/t/{DS}", "assets/de_only"),
    ("da_lead", "", "assets/user_profiles"),
    ("nemo", "", "dags/ds_train"),
    ("admin", f"/t/{DS}", "dags/orphan"),
    ("sue", "", "dags/orphan"),
    ("admin", "/as/lead", "dags/de_etl"),
]


@pytest.mark.parametrize(("person", "view", "place"), NOWHERE)
def test_a_link_to_what_one_sees_nowhere_is_one_to_nothing(
    server: Server, as_user: Client, person: str, view: str, place: str
) -> None:
    kind, _, name = place.partition("/")
    found = f"/{kind}/{asset_number(as_user, name)}" if kind == "assets" else f"/{place}"
    missing = f"/{kind}/{'987654' if kind == 'assets' else 'no_such_dag'}"
    with browsing(server, as_user, person) as browser:
        foreign, none, shell = (browser.get(view + path) for path in (found, missing, "/dags"))
        assert [answer.status_code for answer in (foreign, none, shell)] == [404, 404, 200]
        assert foreign.text == none.text == shell.text, "Airflow's page, which says so itself"
        assert foreign.headers["x-queries"] == none.headers["x-queries"]
        assert foreign.headers["cache-control"] == none.headers["cache-control"] == "no-store"
        assert browser.get(view + found, headers={"accept": "*/*"}).status_code == 200, "only pages are"
    anonymous = httpx.get(f"{server.url}{found}", headers=PAGE, timeout=60)
    assert anonymous.status_code == 200, "who is not signed in is led to the sign-in"


@pytest.mark.parametrize("person", ["both", "lead", "da_lead", "admin", "iris", "sue"])
@pytest.mark.parametrize("view", ["", "/t/~", f"/t/{DE}", f"/t/{DS}"])
def test_a_page_is_there_where_the_api_has_it(server: Server, as_user: Client, person: str, view: str) -> None:
    client = as_user(person)
    if client.get(f"{view}/api/v2/dags").status_code == 404:
        return  # no view of theirs
    numbers = {asset: f"assets/{asset_number(as_user, asset)}" for asset in ("user_profiles", "de_only", "model")}
    with browsing(server, as_user, person) as browser:
        for thing in ("dags/de_etl", "dags/ds_train", "dags/orphan", *numbers.values()):
            page, there = browser.get(f"{view}/{thing}").status_code, client.get(f"{view}/api/v2/{thing}").status_code
            assert page in (there, 307), (thing, page, there)


def test_where_an_asset_is_is_told_to_who_may_look(server: Server, as_user: Client) -> None:
    ids = {name: asset_number(as_user, name) for name in ("user_profiles", "de_only", "model")}

    def where(person: str, asset: object, prefix: str = "") -> tuple[int, str]:
        answer = as_user(person).get(f"{prefix}/airspace/api/where/assets/{asset}")
        return answer.status_code, answer.text.replace(str(asset), "it")

    assert where("both", ids["model"], f"/t/{DE}") == (200, f'{{"team":"{DS}"}}')
    assert where("both", ids["user_profiles"], f"/t/{DS}") == (200, f'{{"team":"{DS}"}}'), "the present one has it"
    assert where("both", ids["user_profiles"]) == (200, f'{{"team":"{DE}"}}')
    missing = where("lead", 987654)
    assert missing == (404, '{"detail":"The Asset with ID: `it` was not found"}')
    strange = [where("lead", name) for name in ("2147483648", "-1", "x" * 300, "٣", "99999999999999999999")]
    assert [where("lead", ids["de_only"]), where("nemo", ids["model"]), *strange] == [missing] * 7
    with browsing(server, as_user, "both", airspace_view=DS) as browser:
        place = f"/assets/{ids['user_profiles']}"
        assert browser.get(place).headers["location"] == f"/t/{DS}{place}", "the one looked at last may see it"
        link = f"/t/{DE}/plugin/artifacts?team={DS}&at=files%2Fx"
        assert browser.get(link).headers["location"] == link.replace(DE, DS)
        assert browser.get(f"/t/{DE}/plugin/artifacts?team=data_analytics").status_code == 404


def test_airflows_page_of_a_view(server: Server, as_user: Client) -> None:
    with browsing(server, as_user, "both") as browser:
        plain, page = browser.get("/dags").text, browser.get(f"/t/{DS}/dags")
        assert f'<base href="/t/{DS}/"' in re.sub(r"\s+", " ", page.text), "what the page asks for stays in the view"
        scripts = re.findall(r'(?:src|href)="/(static/[^"]+\.js)"', page.text)
        assert scripts == re.findall(r'(?:src|href)="\./(static/[^"]+\.js)"', plain), "all views share them"
        kept = browser.get(f"/{scripts[0]}").headers
        assert "immutable" in kept["cache-control"]
        cookie = page.headers["set-cookie"]
        assert re.match(rf"airspace_view={DS}; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax$", cookie)
        browser.cookies.set("airspace_view", DS)
        assert "set-cookie" not in browser.get(f"/t/{DS}/dags").headers
        assert "set-cookie" not in browser.get("/t/~/dags").headers
    with browsing(server, as_user, "admin") as browser:
        eyes = browser.get(f"/as/both/t/{DS}/dags")
        assert f'<base href="/as/both/t/{DS}/"' in re.sub(r"\s+", " ", eyes.text)
        assert "set-cookie" not in eyes.headers, "what others saw is not what one looked at"


def test_who_signs_out_in_a_view_is_signed_out(server: Server, as_user: Client) -> None:
    who = {"username": "both", "password": "a good password"}
    token = httpx.post(f"{server.url}/auth/token", json=who, timeout=60).json()["access_token"]
    with httpx.Client(base_url=server.url, cookies={"_token": token}, headers=PAGE, timeout=60) as browser:
        answer = browser.get(f"/t/{DS}/api/v2/auth/logout")
        assert answer.headers["location"] == "/auth/logout"
        assert browser.get(f"/t/{DS}/api/v2/dags").status_code == 401
        login = browser.get(f"/t/{DS}/api/v2/auth/login", params={"next": f"/t/{DS}/dags?state=failed"})
        assert login.headers["location"].startswith("/auth/login?next=%2Ft%2Fdata_science%2Fdags%3Fstate%3Dfailed")


@pytest.mark.parametrize("path", ["/airflow/t/data_science/dags", "/t/data_science/dags"])
def test_a_view_below_a_path_also_behind_a_proxy_that_strips_it(path: str) -> None:
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "/airflow", "headers": []}
    seen = team_view.enter(view_as.enter(scope))
    assert (seen["root_path"], request_scope.route_path(seen)) == ("/airflow/t/data_science", "/dags")
    assert team_view.outside(seen) == "/airflow"
    eyes = team_view.enter(view_as.enter({**scope, "path": path.replace("/t/", "/as/bob/t/")}))
    assert (eyes["root_path"], request_scope.route_path(eyes)) == ("/airflow/as/bob/t/data_science", "/dags")
