"""What of a source's files is taken, and that nothing is written elsewhere."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airspace.backends.remotes.trees import Chosen, Entry, Trees, path_problem

_PARTS = st.sampled_from(
    ["a", "b", "..", ".", "", ".git", ".GIT", ".git ", "git~1", ".g\u200cit", "\0", "ü", "dag.py", "a" * 300]
)


@given(st.lists(_PARTS | st.text(max_size=6), min_size=1, max_size=40).map("/".join))
@settings(max_examples=30)
def test_a_path_that_is_taken_stays_inside(path: str) -> None:
    if path_problem(path) is not None:
        return
    plain = PurePosixPath(path)
    assert not plain.is_absolute()
    assert str(plain) == path
    assert not {"..", ".", "", ".git"} & {part.lower().strip() for part in plain.parts}


def test_a_name_is_one_thing() -> None:
    chosen = Chosen()
    for path in ("a", "a/b", "c/d", "c", "c/d", "e"):
        chosen.offer(Entry(path, "1", 1))
    assert [entry.path for entry in chosen.entries] == ["a", "c/d", "e"]
    assert set(chosen.left_out) == {"a/b", "c", "c/d"}


def test_what_is_nobodys_dag_is_skipped_in_silence() -> None:
    chosen = Chosen()
    for path in ("node_modules/x.js", "a/__pycache__/x.pyc", "dag.py"):
        assert chosen.offer(Entry(path, "1", 1))
    assert ([entry.path for entry in chosen.entries], chosen.left_out) == (["dag.py"], {})


def test_a_tree_that_breaks_off_is_not_there(tmp_path: Path) -> None:
    trees, chosen = Trees(tmp_path), Chosen()
    for path in ("a", "b"):
        chosen.offer(Entry(path, "1", 1))
    name = trees.name("0" * 40, "")

    def break_off(entries: list[Entry]) -> list[bytes]:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        trees.write(name, chosen, None, break_off)
    assert not trees.has(name)
    trees.write(name, chosen, None, lambda entries: [b"x" for _ in entries])
    assert trees.has(name)
    trees.keep_only([])
    assert list(trees.folder.iterdir()) == []
