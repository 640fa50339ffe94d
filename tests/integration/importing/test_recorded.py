"""Importing real Airflows 2.9.3 and 2.11.0 with FAB, as they were recorded: from the database, and by the REST API."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import unquote_plus

import pytest
from sqlalchemy import create_engine, text

from airspace.backends.old_airflow import Credentials, read_database, read_rest
from airspace.backends.old_airflow.bounded import SourceError
from airspace.importing.deployment import Deployment
from airspace.importing.folder import read_folder
from airspace.importing.mapping import TeamMap
from airspace.importing.secrecy import parse_env
from airspace.importing.service import Imported, import_teams
from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.teams.service import load
from tests.integration.importing.conftest import ADMIN, FERNET_KEY, OLD

pytestmark = pytest.mark.integration
SECRETS = ("it's $ecret", "hidden in plain sight", "made up key", "made up token")


def draft(old: Deployment, out: Path, team_map: TeamMap | None = None) -> Imported:
    return import_teams(old, read_folder(OLD / "dags"), team_map or TeamMap(), out, force=False)


def documents(made: Imported) -> dict[str, dict[str, object]]:
    return {name: each.document for name, each in made.drafts.teams.items()}


def not_placed(made: Imported) -> set[tuple[str, str]]:
    return {(each.kind, each.name) for each in made.drafts.unplaced}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "drafts"


def test_its_database_becomes_team_files_that_are_valid_at_once(old_database: str, out: Path, tmp_path: Path) -> None:
    made = draft(read_database(old_database, FERNET_KEY), out)
    found = documents(made)
    assert set(found) == {"marketing", "finance"}
    assert found["marketing"]["members"] == {"mara": "operator", "milo": "viewer"}
    assert found["finance"]["members"] == {"frank": "lead"}
    assert set(found["marketing"]["connections"]) == {"warehouse", "ads"}  # type: ignore[call-overload]
    assert set(found["finance"]["connections"]) == {"warehouse", "bank"}  # type: ignore[call-overload]
    assert found["marketing"]["variables"] == {"threshold": 0.7}
    assert found["finance"]["variables"] == {"ledger_mode": {"dry": True, "limit": 3}}
    assert found["marketing"]["pools"] == {"gpu": 2}
    assert {each.dag.dag_id: each.rule for each in made.drafts.teams["finance"].dags} == {
        "ledger": "folder",
        "reports": "folder",
        "legacy": "role",
    }
    assert not next(each for each in made.drafts.teams["finance"].dags if each.dag.dag_id == "ledger").dag.paused
    assert {("dag", "orphan"), ("dag", "cubes"), ("connection", "unused"), ("connection", "odd..name")} < not_placed(
        made
    )
    assert {("user", "admin"), ("user", "olga"), ("user", "newbie"), ("user", "Fay Finn")} < not_placed(made)
    assert {("role", "marketing_editors"), ("variable", "bank_token"), ("pool", "big pool")} < not_placed(made)
    for file in out.glob("*.[ym]*"):
        assert not [secret for secret in SECRETS if secret in file.read_text()], file
    environ = parse_env((out / ".env").read_text())
    values = [unquote_plus(value) for value in environ.values()]
    assert all(any(secret in value for value in values) for secret in SECRETS[:3])
    loaded = load(out, HomeLayout(tmp_path / "home"), environ)
    assert {team.file.team.name for team in loaded.teams} == set(found)
    assert (out / "dags/marketing/marketing/campaigns.py").exists()
    assert (out / "dags/marketing/common/helpers.py").exists()
    assert not (out / "dags/finance/common").exists()


def test_a_map_file_places_the_rest(old_database: str, out: Path) -> None:
    team_map = TeamMap(
        folders={"bi": "insights"},
        dags={"orphan": "growth"},
        users={"Fay Finn": "fay"},
        roles={"empty_role": "growth"},
        connections={"unused": ("growth", "insights")},
        variables={"bank_token": ("finance",)},
    )
    made = draft(read_database(old_database, FERNET_KEY), out, team_map)
    found = documents(made)
    assert found["finance"]["members"] == {"frank": "lead", "fay": "lead"}
    assert found["growth"]["members"] == {"newbie": "viewer"}
    assert found["finance"]["variables"]["bank_token"] == {"env": "SECRET_FINANCE_VAR_BANK_TOKEN"}  # type: ignore[index]
    assert "unused" in found["insights"]["connections"]  # type: ignore[operator]
    assert not {each for each in not_placed(made) if each[0] == "dag"}


def test_the_rest_api_tells_the_same_but_for_the_secrets(
    old_database: str, old_server: str, version: str, tmp_path: Path
) -> None:
    by_rest = draft(read_rest(old_server, Credentials(*ADMIN)), tmp_path / "rest")
    by_database = draft(read_database(old_database, FERNET_KEY), tmp_path / "database")
    assert by_rest.version.startswith(version)
    for team, document in documents(by_database).items():
        told = documents(by_rest)[team]
        assert told["members"] == document["members"]
        assert told.get("variables") == document.get("variables")
        assert told.get("pools") == document.get("pools")
        assert set(told["connections"]) == set(document["connections"])  # type: ignore[call-overload]
    assert not_placed(by_rest) == not_placed(by_database)
    missing = by_rest.as_dict()["secrets"]["missing"]
    assert "SECRET_FINANCE_WAREHOUSE_PASSWORD" in missing
    assert "SECRET_FINANCE_WAREHOUSE_PASSWORD" in by_database.as_dict()["secrets"]["known"]
    with pytest.raises(AirspaceError) as told_why:
        load(tmp_path / "rest", HomeLayout(tmp_path / "home"), parse_env((tmp_path / "rest/.env").read_text()))
    assert {problem.rule for problem in told_why.value.problems} == {"no-secret"}  # type: ignore[attr-defined]


def test_without_the_dag_folder_the_kept_sources_tell(old_database: str, old_server: str, tmp_path: Path) -> None:
    for number, old in enumerate((read_database(old_database, None), read_rest(old_server, Credentials(*ADMIN)))):
        made = import_teams(old, None, TeamMap(), tmp_path / str(number), force=False)
        assert set(documents(made)["marketing"]["connections"]) == {"warehouse", "ads"}  # type: ignore[call-overload]
        assert "dags" not in documents(made)["marketing"]


@pytest.mark.parametrize("key", [None, "bm90IHRoZSBrZXkgYnV0IG9uZSBvZiB0aGUgbGVuZ3Q="])
def test_without_the_key_secrets_are_left_to_be_filled_in(old_database: str, out: Path, key: str | None) -> None:
    made = draft(read_database(old_database, key), out)
    assert "SECRET_FINANCE_WAREHOUSE_PASSWORD=\n" in (out / ".env").read_text()
    assert any("could not be decrypted" in note for note in made.drafts.notes)


def test_the_database_is_only_read(old_database: str, out: Path) -> None:
    path = Path(old_database.removeprefix("sqlite:///"))
    before = hashlib.sha256(path.read_bytes()).digest()
    draft(read_database(old_database, FERNET_KEY), out)
    assert hashlib.sha256(path.read_bytes()).digest() == before
    with pytest.raises(SourceError):
        read_database(f"sqlite:///{path}.missing", None)
    assert not Path(f"{path}.missing").exists()


def test_a_database_that_is_broken_or_hostile(old_database: str, out: Path) -> None:
    engine = create_engine(old_database)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE dag SET fileloc = '/opt/airflow/dags/../../../etc/x.py' WHERE dag_id = 'cubes'")
        )
        connection.execute(text("UPDATE dag SET dag_id = '../../x' WHERE dag_id = 'reports'"))
        connection.execute(text("UPDATE connection SET port = 'many', conn_type = '' WHERE conn_id = 'ads'"))
        connection.execute(text("UPDATE slot_pool SET slots = -1 WHERE pool = 'gpu'"))
        connection.execute(text("UPDATE variable SET val = NULL WHERE key = 'threshold'"))
        connection.execute(text("UPDATE ab_user SET username = 'x\n\x1b[31m' WHERE username = 'frank'"))
        connection.execute(text("DROP TABLE dag_code"))
    engine.dispose()
    made = draft(read_database(old_database, FERNET_KEY), out)
    assert set(documents(made)) == {"marketing", "finance"}
    assert {("pool", "gpu"), ("connection", "ads"), ("user", "x\n\x1b[31m")} < not_placed(made)
    page = (out / "import-report.md").read_text()
    assert "\x1b" not in page
    assert sorted(path.name for path in out.iterdir()) == [
        ".env",
        "dags",
        "finance.yaml",
        "import-report.md",
        "marketing.yaml",
    ]


def test_another_database_is_refused(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/other.sqlite")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (a)"))
    engine.dispose()
    with pytest.raises(SourceError, match="no Airflow"):
        read_database(f"sqlite:///{tmp_path}/other.sqlite", None)
    with pytest.raises(SourceError) as told:
        read_database("postgresql://me:s3cret@127.0.0.1:1/x", None)
    assert "s3cret" not in f"{told.value.message} {told.value.fix}"
    with pytest.raises(AirspaceError, match="Fernet"):
        read_database(f"sqlite:///{tmp_path}/other.sqlite", "no key")
