"""What members are told of a source that cannot be fetched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from airspace.platform import source_trouble
from airspace.platform.source_trouble import Trouble, trouble

URL = "https://git.example/tok3n/all.git"


def test_the_address_is_not_told() -> None:
    found = trouble("git", (f"git cannot fetch it: unable to access '{URL}/'", "look at it"), {"the url": URL})
    assert found.told() == (
        "The team's Dags cannot be fetched from its git repository: git cannot fetch it: unable to access '(the url)/'."
        "\nFix: look at it.\nNothing of it has been fetched yet."
    )
    longer = trouble("object_store", ("https://s3.example/x and s3", ""), {"a": "s3", "b": "https://s3.example"})
    assert longer.message == "(b)/x and (a)"


def test_what_is_here_is_told() -> None:
    found = replace(Trouble("git", "away", ""), version="c" * 40, fetched_at=1_800_000_000.0)
    assert found.told().splitlines()[-1] == (
        "What is here stays as it is: version cccccccccccc, fetched last at 2027-01-15 08:00:00+00:00."
    )
    assert len(Trouble("folder", "permission denied", "mend it").told().splitlines()) == 2


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert (source_trouble.read(tmp_path), source_trouble.stamp(tmp_path)) == ({}, None)
    file = tmp_path / source_trouble.FILE
    known = {"ops": Trouble("git", "away", "come back", "1", 2.0)}
    file.write_text(source_trouble.dump(known))
    assert source_trouble.read(tmp_path) == known
    for broken in ("{", "[]", '{"ops": {"kind": 1, "odd": 2}}', '{"ops": []}'):
        file.write_text(broken)
        assert source_trouble.read(tmp_path) == {}
