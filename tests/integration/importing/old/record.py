"""Keeps the answers of the REST API, and the tables that an import reads. Run by ``record.sh``."""

import base64
import json
import sqlite3
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

TABLES = (
    *("alembic_version", "dag", "dag_code", "dag_tag", "connection", "variable", "slot_pool"),
    *("ab_user", "ab_role", "ab_user_role", "ab_permission", "ab_view_menu"),
    *("ab_permission_view", "ab_permission_view_role"),
)
LISTS = ("dags", "connections", "variables", "pools", "roles", "users")


def ask(url: str, path: str) -> tuple[int, str]:
    request = urllib.request.Request(url + path, headers={"Accept": "application/json"})
    request.add_header("Authorization", "Basic " + base64.b64encode(b"admin:made up admin").decode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def answers(url: str) -> dict[str, list]:
    """Path → status and body."""
    for _ in range(120):
        try:
            ask(url, "/api/v1/version")
            break
        except OSError:
            time.sleep(1)
    paths = ["/api/v2/version", "/api/v1/version", *(f"/api/v1/{name}?limit=100&offset=0" for name in LISTS)]
    found = {path: list(ask(url, path)) for path in paths}
    for dag in json.loads(found["/api/v1/dags?limit=100&offset=0"][1])["dags"]:
        path = "/api/v1/dagSources/" + urllib.parse.quote(dag["file_token"], safe="")
        found[path] = list(ask(url, path))
    for connection in json.loads(found["/api/v1/connections?limit=100&offset=0"][1])["connections"]:
        path = "/api/v1/connections/" + urllib.parse.quote(connection["connection_id"], safe="")
        found[path] = list(ask(url, path))
    return found


def dump(database: str, dags: str) -> str:
    """The tables as SQL, without what no import reads; the folder is called as in a container."""
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE ab_user SET password = NULL")
        connection.commit()
        lines = [
            line
            for line in connection.iterdump()
            if any(f'"{table}"' in line[:80] or f"TABLE {table} (" in line for table in TABLES)
        ]
    return "\n".join(lines).replace(dags, "/opt/airflow/dags") + "\n"


def main(url: str, database: str, dags: str, out: str) -> None:
    text = json.dumps(answers(url), indent=1, sort_keys=True)
    (Path(out) / "answers.json").write_text(text.replace(dags, "/opt/airflow/dags") + "\n")
    (Path(out) / "database.sql").write_text(dump(database, dags))


main(*sys.argv[1:])
