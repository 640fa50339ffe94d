from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from airspace.demo import probes, service
from airspace.demo.story import DA, DE
from airspace.demo.workspace import copy_rocket, examples_source
from airspace.model.errors import AirspaceError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "dags").mkdir(parents=True)
    (folder / "team.yaml").write_text("name: one\n")
    (folder / "dags" / "a.py").write_text("a = 1\n")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_text("")
    return folder


def test_everything_but_caches_is_copied_and_twice_is_once(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "rocket"
    assert copy_rocket(source, target) == []
    assert (target / "dags" / "a.py").read_text() == "a = 1\n"
    assert not (target / "__pycache__").exists()
    before = (target / "dags" / "a.py").stat().st_mtime_ns
    assert copy_rocket(source, target) == []
    assert (target / "dags" / "a.py").stat().st_mtime_ns == before


def test_without_its_packages_rocket_does_not_start_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    service.check_packages()
    monkeypatch.setitem(service.NEEDS, "polars", "no_such_module")
    with pytest.raises(AirspaceError, match="Rocket needs polars") as refused:
        service.check_packages()
    assert "airspace[rocket]" in (refused.value.fix or "")


def test_the_wheel_has_the_examples_in_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    rocket = {path.relative_to(examples_source()) for path in examples_source().rglob("*.py")}
    assert {f"airspace/_examples/rocket/{path}" for path in rocket} <= names
    assert any(name.startswith("airspace/airflow/web/sign_in/static/") for name in names)
    assert "airspace/airflow/web/static/airspace.js" in names, "python3 scripts/front_end.py build"
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


@pytest.mark.parametrize("kind", ["wheel", "sdist", "editable"])
def test_only_a_checkout_may_be_without_our_pages(tmp_path: Path, kind: str) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "scripts/hatch_build.py", "src/airspace/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(__file__).parents[3] / name, tmp_path / name)
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "one").touch()
    make = f"import hatchling.build; print(hatchling.build.build_{kind}('dist'))"
    done = subprocess.run([sys.executable, "-c", make], cwd=tmp_path, capture_output=True, text=True, check=False)
    if kind == "editable":
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1, done.stdout
        assert "python3 scripts/front_end.py build" in done.stderr
        assert not list(tmp_path.glob("dist/*"))


def test_what_the_user_edited_stays_and_what_they_did_not_is_brought_up_to_date(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "rocket"
    copy_rocket(source, target)
    (target / "team.yaml").write_text("name: mine\n")
    (source / "team.yaml").write_text("name: two\n")
    (source / "dags" / "a.py").write_text("a = 2\n")
    assert copy_rocket(source, target) == ["team.yaml"]
    assert (target / "team.yaml").read_text() == "name: mine\n"
    assert (target / "dags" / "a.py").read_text() == "a = 2\n"
    assert copy_rocket(source, target) == ["team.yaml"]


def test_files_that_a_new_version_no_longer_has_go_unless_edited(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "rocket"
    (source / "b.py").write_text("b = 1\n")
    copy_rocket(source, target)
    (target / "b.py").write_text("b = 'mine'\n")
    (target / "own.py").write_text("own = 1\n")
    (source / "b.py").unlink()
    (source / "dags" / "a.py").unlink()
    copy_rocket(source, target)
    assert not (target / "dags" / "a.py").exists()
    assert (target / "b.py").exists()
    assert (target / "own.py").exists()


def test_rocket_is_found_wherever_the_package_is(tmp_path: Path) -> None:
    copy_rocket(examples_source(), tmp_path / "rocket")
    assert sorted(path.stem for path in (tmp_path / "rocket").glob("*.yaml")) == [
        "data_analytics",
        "data_engineering",
        "data_science",
    ]


def test_probes_are_lent_and_taken_back(tmp_path: Path) -> None:
    folders = {team: tmp_path / team for team in (DE, DA)}
    for folder in folders.values():
        folder.mkdir()
        (folder / "own.py").write_text("")
    with probes.lent(folders):
        assert len(list((tmp_path / DE).iterdir())) == 3
        assert len(list((tmp_path / DA).iterdir())) == 2
    assert [path.name for path in tmp_path.rglob("*.py")] == ["own.py", "own.py"]
