"""``airflow.cfg`` of the Airflows that we are compared with: their defaults, but for what a fair comparison needs."""

from __future__ import annotations

import configparser
import io
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

PARALLELISM = 32  # Airflow's own default for a LocalExecutor
Sections = Mapping[str, Mapping[str, str]]


def base(port: int, database_url: str, logs: Path) -> dict[str, dict[str, str]]:
    """What both Airflows have."""
    return {
        "core": {
            "load_examples": "False",
            "fernet_key": "",
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "simple_auth_manager_all_admins": "True",
            "execution_api_server_url": _execution_api(port),
            # As ours: the default asks the network for this machine's name, which takes seconds where none answers.
            "hostname_callable": "socket.gethostname",
        },
        "database": {"sql_alchemy_conn": database_url},
        "api": {
            "host": "127.0.0.1",
            "port": str(port),
            "base_url": f"http://127.0.0.1:{port}",
            "secret_key": secrets.token_hex(16),
        },
        "api_auth": {"jwt_secret": secrets.token_hex(32)},
        "logging": {
            "base_log_folder": str(logs),
            "dag_processor_child_process_log_directory": str(logs / "dag_processor"),
        },
    }


def multi_team(port: int, bundles: Mapping[str, Path], root: Path) -> dict[str, dict[str, str]]:
    """What Airflow's own multi-team needs for these teams: an executor, a bundle and a section of settings each."""
    listed = [
        {
            "name": name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(path)},
            "team_name": name,
        }
        for name, path in bundles.items()
    ]
    # A team's settings do not fall back to the deployment's: without this its tasks look for the API at port 8080.
    own = {f"{team}=core": {"execution_api_server_url": _execution_api(port)} for team in bundles}
    core = {
        "multi_team": "True",
        "executor": ";".join(["LocalExecutor", *(f"{team}=LocalExecutor" for team in bundles)]),
    }
    if not listed:
        return {"core": {**core, "dags_folder": str(root / "dags" / "all")}}
    return {"core": core, "dag_processor": {"dag_bundle_config_list": json.dumps(listed)}, **own}


def render(*layers: Sections) -> str:
    """The text; later layers win."""
    merged: dict[str, dict[str, str]] = {}
    for layer in layers:
        for section, pairs in layer.items():
            merged.setdefault(section, {}).update(pairs)
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_dict({name: {k: v.replace("%", "%%") for k, v in pairs.items()} for name, pairs in merged.items()})
    stream = io.StringIO()
    parser.write(stream)
    return stream.getvalue()


def parse(text: str) -> configparser.RawConfigParser:
    """What :func:`render` made."""
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


def _execution_api(port: int) -> str:
    return f"http://127.0.0.1:{port}/execution/"
