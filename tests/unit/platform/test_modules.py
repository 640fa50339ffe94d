"""Which files a Dag file needs, as far as its text tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from airspace.platform.modules import MOST_FILES, needed_by


def write(root: Path, **files: str) -> None:
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_py", ".py").replace("_sql", ".sql")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import helper", ["helper.py"]),
        ("import os, helper as h  # no.other", ["helper.py"]),
        ("    from lib import deep", ["lib/deep.py"]),
        ("from lib.deep import thing", ["lib/deep.py"]),
        ("sql = 'queries/a.sql'", ["queries/a.sql"]),
        ("import airflow, helperx", []),
        ("# import helper", []),
        ("path = '/etc/passwd.txt' + '../other.py'", []),
    ],
)
def test_what_a_file_names(tmp_path: Path, line: str, found: list[str]) -> None:
    write(tmp_path, dag_py=line, helper_py="", lib__deep_py="", queries__a_sql="", other_py="")
    assert needed_by(tmp_path, ["dag.py"]) == found


def test_what_is_named_in_turn_and_by_relative_imports(tmp_path: Path) -> None:
    write(tmp_path, pack__dag_py="from . import one\n", pack__one_py="from ..two import (x,\n", two_py="import one\n")
    assert needed_by(tmp_path, ["pack/dag.py"]) == ["pack/one.py", "two.py"]


def test_a_hostile_folder_costs_little(tmp_path: Path) -> None:
    write(tmp_path, dag_py="import loop\n" + "from " + "." * 5000 + " import (" + "x," * 5000, loop_py="import dag\n")
    for number in range(MOST_FILES + 50):
        (tmp_path / f"m{number}.py").write_text(f"import m{number + 1}\n")
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    with (tmp_path / "dag.py").open("a") as file:
        file.write("\nimport m0, link\n")
    found = needed_by(tmp_path, ["dag.py"])
    assert "loop.py" in found
    assert "link.py" not in found
    assert len(found) < MOST_FILES
