"""``airflow.cfg`` of one home: what the platform depends on, what it merely prefers, and the user's own settings.

Written anew at every start. A user's file ``airflow.overrides.cfg`` in the home is merged over it: every setting of
Airflow's stays theirs, except those that hold the platform together, which are refused by name.
"""

from __future__ import annotations

import configparser
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airspace.model import source_settings
from airspace.model.errors import InvalidInputError
from airspace.model.limits import SECTION, CodeLimits, problems
from airspace.platform import public_url

OVERRIDES = "airflow.overrides.cfg"
Sections = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, repr=False)
class Settings:
    """What differs between homes."""

    home_id: str
    port: int
    airflow_home: Path
    logs: Path
    database_url: str
    database_url_async: str
    fernet_key: str
    jwt_secret: str
    api_secret_key: str

    @property
    def url(self) -> str:
        """Where the UI and the API are."""
        return base_url(self.port)


def base_url(port: int) -> str:
    """Where the API server of that port is."""
    return f"http://127.0.0.1:{port}"


def local_url(port: int, home: Path) -> str:
    """Where its pages are on this machine: below the path that the address for people has."""
    return base_url(port) + public_url.path_in(home / OVERRIDES)


def fixed(settings: Settings) -> dict[str, dict[str, str]]:
    """Settings that the platform depends on: nobody may change them."""
    return {
        "core": {
            "executor": "airspace.airflow.execution.executor.TeamExecutor",
            "auth_manager": "airspace.airflow.web.auth_manager.AirspaceAuthManager",
            "multi_team": "True",
            "load_examples": "False",
            # Found in the process of all teams: as Airflow does, but over a bounded part of each file.
            "might_contain_dag_callable": "airspace.airflow.parsing.discovery.might_contain_dag",
            # Team code reaches the platform only through bundles.
            "dags_folder": str(settings.airflow_home / "no_dags"),
            "fernet_key": settings.fernet_key,
            "execution_api_server_url": f"{settings.url}/execution/",
        },
        "database": {
            "sql_alchemy_conn": settings.database_url,
            "sql_alchemy_conn_async": settings.database_url_async,
            "external_db_managers": "airspace.airflow.db.AirspaceDBManager",
        },
        "api": {
            "host": "127.0.0.1",
            "port": str(settings.port),
            "secret_key": settings.api_secret_key,
            "workers": "1",
            "server_type": "uvicorn",
            "expose_config": "False",
        },
        "api_auth": {"jwt_secret": settings.jwt_secret, "jwt_issuer": f"airspace-{settings.home_id}"},
        "secrets": {
            "backend": "airspace.airflow.secrets.TeamSecretsBackend",
            "backend_kwargs": "",
            # A cache would outlive a revoked connection, and knows no teams.
            "use_cache": "False",
        },
        "dag_processor": {
            # Filled by the Dag processor from the teams that there are, while it runs.
            "dag_bundle_config_list": "[]",
            # Airflow would import, in the process of all teams, whatever modules of its own a file names.
            "parsing_pre_import_modules": "False",
        },
        "scheduler": {
            # The executor's sync() is the scheduler's wait: it sleeps until a task ends or half a second passed.
            "scheduler_idle_sleep_time": "0.001",
        },
        "logging": {
            "base_log_folder": str(settings.logs / "airflow"),
            "dag_processor_child_process_log_directory": str(settings.logs / "airflow" / "dag_processor"),
        },
    }


def preferred(settings: Settings) -> dict[str, dict[str, str]]:
    """Settings that serve many teams on one machine better than Airflow's defaults; users may change them."""
    return {
        "core": {
            "parallelism": "64",
            # Airflow asks the network for its name by default, which takes seconds where no name server answers.
            "hostname_callable": "socket.gethostname",
            # A changed Dag is to be seen at once, not after half a minute.
            "min_serialized_dag_update_interval": "0",
            "team_name_cache_ttl": "5",
            # It runs in the connection's team's sandbox.
            "test_connection": "Enabled",
        },
        # Airflow's own number is for all teams together; ours is at the door, for each.
        "connection_test": {"max_concurrency": "100"},
        # A callback holds one of its team's slots while it runs.
        "callbacks": {"callback_execution_timeout": "600"},
        "database": {
            # Airflow looks a token up in the API server's event loop, and a request gives its connection back through
            # that loop: with fewer connections than its 40 threads, a busy moment stops the server for 30 s.
            "sql_alchemy_max_overflow": "60",
        },
        "api": {"base_url": settings.url, "instance_name": "Airspace"},
        "dag_processor": {
            "parsing_processes": "4",
            # The fetcher rings the Dag processor when a file changes; these are what remains if a ring is lost. A check
            # asks the database about each bundle in turn: once a second that is a fifth of a processor for 300 teams.
            "bundle_refresh_check_interval": "10",
            "refresh_interval": "60",
            "min_file_process_interval": "120",
            "print_stats_interval": "300",
        },
        "scheduler": {
            # The candidate query is cut at this number before pools are looked at: at the default of 16 one busy
            # team's tasks fill it and hide everybody else's.
            "max_tis_per_query": "128",
            # A task that waits for its team's slots waits as "queued": that is no sign of trouble.
            "task_queued_timeout": "86400",
        },
        "logging": {
            "colored_console_log": "False",
            "file_task_handler_new_folder_permissions": "0o750",
            "file_task_handler_new_file_permissions": "0o640",
        },
    }


# Settings that would take effect beside the fixed ones: other ways to the same thing, or doors that we do not guard.
_ALSO_REFUSED = {
    "core": {"simple_auth_manager_users", "simple_auth_manager_all_admins", "default_impersonation"},
    "api_auth": {"jwt_private_key_path", "trusted_jwks_url", "jwt_algorithm", "jwt_kid", "jwt_audience"},
    "sdk": {"coordinators", "queue_to_coordinator"},
    "workers": {"secrets_backend", "secrets_backend_kwargs"},
}


# Of the user's own settings, those that change what a Dag file or a task means; whatever could be a secret is left out.
_TEAM_SECTIONS = ("core", "lineage", "operators", "sensors")
_TEAM_MAIL = frozenset({"from_email", "email_conn_id"})  # how e-mails look; what sends them is each team's own
_SECRET = re.compile(r"key|secret|password|passwd|token|conn|credential|_cmd$|auth", re.IGNORECASE)


def render_for_teams(folder: Path, settings: Settings, overrides: Path) -> str:
    """The text of the ``airflow.cfg`` that team code reads: nothing in it is secret.

    :param folder: where it will be
    """
    theirs = read_overrides(overrides, fixed(settings))
    chosen = {
        section: {key: value for key, value in theirs.get(section, {}).items() if not _SECRET.search(key)}
        for section in _TEAM_SECTIONS
    }
    chosen["email"] = {key: value for key, value in theirs.get("email", {}).items() if key in _TEAM_MAIL}
    own = {
        "core": {
            "load_examples": "False",
            "multi_team": "True",
            "dags_folder": str(folder / "no_dags"),
            "hostname_callable": "socket.gethostname",
        },
        # Airflow opens one when it is imported; in a task it is taken away before the first line of a team's code.
        "database": {"sql_alchemy_conn": "sqlite://"},
        "logging": {"base_log_folder": str(folder / "logs"), "colored_console_log": "False"},
    }
    return _text([chosen, own])


def render(settings: Settings, overrides: Path) -> str:
    """The text of ``airflow.cfg``. Holds secrets: mode 0600."""
    return _text([preferred(settings), read_overrides(overrides, fixed(settings)), fixed(settings)])


def _text(layers: Sequence[Sections]) -> str:
    merged: dict[str, dict[str, str]] = {}
    for layer in layers:
        for section, pairs in layer.items():
            merged.setdefault(section, {}).update(pairs)
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_dict(
        {section: {key: value.replace("%", "%%") for key, value in pairs.items()} for section, pairs in merged.items()}
    )
    stream = io.StringIO()
    stream.write(f"# Written by `airspace up` at every start. Settings of your own belong into {OVERRIDES}.\n")
    parser.write(stream)
    return stream.getvalue()


def read_overrides(path: Path, platform: Sections) -> dict[str, dict[str, str]]:
    """The user's own settings; every one that is refused is named, with its line, in one error."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text, source=str(path))
    except configparser.Error as error:
        raise InvalidInputError(f"{path} cannot be read: {str(error).splitlines()[0]}", fix=f"edit {path}") from None
    found = {section: dict(parser.items(section)) for section in parser.sections()}
    refused = [
        f"line {_line(text, section, key)}: [{section}] {key}"
        for section, pairs in found.items()
        for key in pairs
        if _is_refused(section, key, platform)
    ]
    if refused:
        raise InvalidInputError(
            f"{path} changes what the platform depends on:\n  " + "\n  ".join(refused), fix="remove these settings"
        )
    own = found.get(SECTION, {})
    mistakes = problems(own) | source_settings.problems(own)
    wrong = [f"line {_line(text, SECTION, key)}: {problem}" for key, problem in mistakes.items()]
    address = found.get("api", {}).get("base_url")
    if address is not None and (problem := public_url.problem(address)):
        wrong.append(f"line {_line(text, 'api', 'base_url')}: [api] base_url: {problem}")
    if wrong:
        raise InvalidInputError(f"{path} has mistakes:\n  " + "\n  ".join(wrong), fix=f"edit {path}")
    # Airflow writes a percent sign in its settings as two; ours are escaped once, when written.
    return {s: {k: v.replace("%%", "%") for k, v in pairs.items()} for s, pairs in found.items()}


def code_limits(path: Path) -> CodeLimits:
    """``[airspace]`` of the user's own settings."""
    parser = configparser.RawConfigParser()
    parser.read(path, encoding="utf-8")
    return CodeLimits.read(lambda section, key: parser.get(section, key, fallback=None))


def check_overrides(path: Path) -> None:
    """Raise for a user's file that would be refused."""
    nothing = Settings("", 0, Path(), Path(), "", "", "", "", "")
    read_overrides(path, fixed(nothing))


def _is_refused(section: str, key: str, platform: Sections) -> bool:
    if section.startswith("team="):  # Airflow's per-team settings: the platform has one executor for all teams
        return True
    base = re.sub(r"_(cmd|secret)$", "", key)
    return any(name in platform.get(section, {}) or name in _ALSO_REFUSED.get(section, set()) for name in (key, base))


def _line(text: str, section: str, key: str) -> int:
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[(.+)\]", line):
            current = header.group(1)
        elif current == section and re.match(rf"{re.escape(key)}\s*[=:]", line.strip(), re.IGNORECASE):
            return number
    return 0
