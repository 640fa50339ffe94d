"""docs/importing.md and the example's team file say what the code takes."""

from __future__ import annotations

import re
from pathlib import Path

from ruamel.yaml import YAML

from airspace.importing.mapping import read_map
from airspace.model.team import Team

ROOT = Path(__file__).parents[3]


def test_the_map_file_of_the_page_is_valid() -> None:
    [example] = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/importing.md").read_text(), re.DOTALL | re.MULTILINE)
    found = read_map(example.encode(), "map.yaml")
    assert found.connections["old_ftp"] == ()
    assert found.users == {"Fay Finn": "fay"}


def test_the_team_file_of_sesame_is_valid() -> None:
    yaml = YAML(typ="safe", pure=True)
    team = Team.model_validate(yaml.load(ROOT / "examples/sesame/sesame.yaml"))
    assert (ROOT / "examples/sesame" / str(team.dags.folder) / "cookies.py").exists()
