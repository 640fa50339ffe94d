"""``airflow.cfg``: what is fixed, what users may change, and that no secret is lost or doubled on the way."""

from __future__ import annotations

import configparser
import importlib.util
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from airspace.model.errors import InvalidInputError
from airspace.platform import airflow_config
from airspace.platform.airflow_config import Settings

SETTINGS = Settings(
    home_id="abcdef",
    port=8123,
    airflow_home=Path("/h/airflow"),
    logs=Path("/h/logs"),
    database_url="postgresql+psycopg2://u:p%40w@/airflow?host=%2Fh%2Frun&port=5432",
    database_url_async="postgresql+asyncpg://u:p%40w@/airflow?host=%2Fh%2Frun&port=5432",
    fernet_key="FERNET=",
    jwt_secret="JWT",
    api_secret_key="API",
)


def read(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()  # interpolates as Airflow's does
    parser.read_string(text)
    return parser


def test_what_the_platform_depends_on_is_set(tmp_path: Path) -> None:
    found = read(airflow_config.render(SETTINGS, tmp_path / "none"))
    assert found["core"]["multi_team"] == "True"
    assert found["core"]["executor"] == "airspace.airflow.execution.executor.TeamExecutor"
    assert found["database"]["sql_alchemy_conn"] == SETTINGS.database_url
    assert found["api"]["base_url"] == "http://127.0.0.1:8123"
    assert found["core"]["execution_api_server_url"] == "http://127.0.0.1:8123/execution/"


def test_a_user_sets_what_is_theirs(tmp_path: Path) -> None:
    overrides = tmp_path / "airflow.overrides.cfg"
    overrides.write_text("[core]\nparallelism = 7\n[smtp]\nsmtp_host = mail\n[email]\nsubject = 100%% done\n")
    found = read(airflow_config.render(SETTINGS, overrides))
    assert found["core"]["parallelism"] == "7"
    assert found["smtp"]["smtp_host"] == "mail"
    assert found["email"]["subject"] == "100% done"


def test_every_refused_setting_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    overrides = tmp_path / "airflow.overrides.cfg"
    overrides.write_text(
        "[core]\nmulti_team = False\nparallelism = 3\nfernet_key_cmd = id\n[team=x]\na = b\n"
        "[workers]\nsecrets_backend = x.Y\n[api]\nport = 1\n"
    )
    with pytest.raises(InvalidInputError) as refused:
        airflow_config.render(SETTINGS, overrides)
    message = refused.value.message
    for expected in (
        "line 2: [core] multi_team",
        "line 4: [core] fernet_key_cmd",
        "line 6: [team=x] a",
        "line 8: [workers] secrets_backend",
        "line 10: [api] port",
    ):
        assert expected in message
    assert "parallelism" not in message


def test_mistakes_in_our_own_section_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    overrides = tmp_path / "airflow.overrides.cfg"
    overrides.write_text(
        "[airspace]\ntask_per_dag = 5\ndepth = deep\nnodes = 0\nrequire_prefix = perhaps\nmap_length = 9\n"
    )
    with pytest.raises(InvalidInputError) as refused:
        airflow_config.check_overrides(overrides)
    assert refused.value.message.splitlines()[1:] == [
        "  line 2: [airspace] task_per_dag is no setting: did you mean tasks_per_dag?",
        "  line 3: [airspace] depth = deep: write a whole number, 1 or more",
        "  line 4: [airspace] nodes = 0: write a whole number, 1 or more",
        "  line 5: [airspace] require_prefix = perhaps: write true or false",
    ]


def test_a_file_that_is_no_configuration_is_named(tmp_path: Path) -> None:
    overrides = tmp_path / "airflow.overrides.cfg"
    overrides.write_text("parallelism = 3\n")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        airflow_config.check_overrides(overrides)


def test_airflow_knows_every_setting_that_we_write() -> None:
    """Contract: a setting that Airflow renamed or dropped would be ignored without a word."""
    spec = importlib.util.find_spec("airflow")
    assert spec is not None
    assert spec.origin is not None
    known = YAML(typ="safe").load(Path(spec.origin).parent / "config_templates" / "config.yml")
    ours = [
        (section, key)
        for layer in (airflow_config.fixed(SETTINGS), airflow_config.preferred(SETTINGS))
        for section, pairs in layer.items()
        for key in pairs
    ]
    assert [pair for pair in ours if pair[1] not in known[pair[0]]["options"]] == []


def test_nothing_is_both_fixed_and_preferred() -> None:
    fixed, preferred = airflow_config.fixed(SETTINGS), airflow_config.preferred(SETTINGS)
    assert not [(s, k) for s, pairs in preferred.items() for k in pairs if k in fixed.get(s, {})]


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://airflow.example", True),
        ("http://h:8080/", True),
        ("https://h/data/airflow", True),
        ("https://h/air-flow_2.x/", True),
        ("airflow.example", False),
        ("ftp://h/x", False),
        ("https://h/x?y=1", False),
        ("https://h/a b", False),
        ("https://h/a//b", False),
        ("https://h/../x", False),
        ("https://[h/x", False),
        ("https://h/t/x", False),
        ("https://h/x/as/y", False),
        ("https://h/airspace", False),
        ("https://h/api", False),
    ],
)
def test_an_address_below_a_path_is_one_that_can_be_told_from_the_platforms_own(
    tmp_path: Path, url: str, fine: bool
) -> None:
    overrides = tmp_path / "airflow.overrides.cfg"
    overrides.write_text(f"[core]\nparallelism = 3\n[api]\nbase_url = {url}\n")
    if fine:
        airflow_config.check_overrides(overrides)
        path = url.partition("//")[2].partition("/")[2].rstrip("/")
        assert airflow_config.local_url(8123, tmp_path) == f"http://127.0.0.1:8123/{path}".rstrip("/")
    else:
        with pytest.raises(InvalidInputError, match=r"line 4: \[api\] base_url"):
            airflow_config.check_overrides(overrides)
