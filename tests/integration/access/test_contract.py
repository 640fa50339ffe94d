"""What we build on in Airflow's auth manager. If this fails, an Airflow has changed it: adapt, then change this."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

# Every method of Airflow's that we override, with its parameters.
OVERRIDDEN = {
    "init": [],
    "deserialize_user": ["token"],
    "serialize_user": ["user"],
    "get_user_from_token": ["token"],
    "get_url_login": ["**kwargs"],
    "get_url_logout": [],
    "get_fastapi_app": [],
    "get_fastapi_middlewares": [],
    "get_db_manager": [],
    "_get_teams": [],
    "is_authorized_dag": ["method", "user", "access_entity", "details"],
    **{
        f"is_authorized_{thing}": ["method", "user", "details"]
        for thing in ("asset", "asset_alias", "configuration", "connection", "pool", "team", "variable")
    },
    "is_authorized_view": ["access_view", "user"],
    "is_authorized_custom_view": ["method", "resource_name", "user"],
    "filter_authorized_menu_items": ["menu_items", "user"],
    **{f"batch_is_authorized_{thing}": ["requests", "user"] for thing in ("connection", "dag", "pool", "variable")},
    **{
        f"get_authorized_{things}": ["user", "method", "session"]
        for things in ("connections", "dag_ids", "pools", "teams", "variables")
    },
    "filter_authorized_dag_ids": ["dag_ids", "user", "method", "team_name"],
    "filter_authorized_connections": ["conn_ids", "user", "method", "team_name"],
    "filter_authorized_pools": ["pool_names", "user", "method", "team_name"],
    "filter_authorized_variables": ["variable_keys", "user", "method", "team_name"],
}
# Those of Airflow's that we leave alone; each was looked at. A new one is a question that nobody here has answered yet.
LEFT_ALONE = {
    "filter_authorized_teams",  # asks is_authorized_team
    "generate_jwt",
    "get_authorized_menu_items",
    "get_cli_commands",
    "get_extra_menu_items",
    "is_authorized_hitl_task",  # only those whom the task names; asked after the Dag itself
    "refresh_user",
    "revoke_token",
}
ENTITIES = {
    *("AUDIT_LOG", "CODE", "DEPENDENCIES", "HITL_DETAIL", "RUN", "TASK", "TASK_INSTANCE", "TASK_LOGS", "VERSION"),
    *("WARNING", "XCOM"),
}

SCRIPT = """
import inspect, json
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager as Base
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.types import MenuItem
from airspace.airflow.web.auth_manager import AirspaceAuthManager as Ours
from airspace.airflow.web.questions import ENTITY_KIND, MENU

def parameters(owner, name):
    found = inspect.signature(inspect.unwrap(getattr(owner, name))).parameters.values()
    return [("**" if p.kind is p.VAR_KEYWORD else "") + p.name for p in found if p.name != "self"]

own = {n for n, v in vars(Base).items() if callable(v) or isinstance(v, (staticmethod, classmethod))}
ours = {n for n in vars(Ours) if n in own and not n.startswith("__")}
print(json.dumps({
    "abstract": sorted(Base.__abstractmethods__),
    "left": sorted(n for n in own - ours if not n.startswith("_")),
    "base": {n: parameters(Base, n) for n in ours},
    "ours": {n: parameters(Ours, n) for n in ours},
    "entities": [e.name for e in DagAccessEntity],
    "kinds": [e for e in ENTITY_KIND if e],
    "menu": [m.name for m in MenuItem],
    "our_menu": list(MENU),
}))
"""


def test_airflow_asks_what_we_answer(airflow_env: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=airflow_env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["base"] == OVERRIDDEN, "the signature of a method that we override has changed"
    assert found["ours"] == OVERRIDDEN
    assert set(found["left"]) == LEFT_ALONE, "Airflow's auth manager has a new method: decide what it means"
    assert set(found["abstract"]) <= set(OVERRIDDEN), "an abstract method that we do not have"
    assert set(found["entities"]) == set(found["kinds"]) == ENTITIES, "Airflow asks about a new thing"
    assert set(found["menu"]) == set(found["our_menu"]), "a new menu item: say who sees it"
