"""docs/team-file.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airspace.model.platform_file import PlatformFile
from airspace.model.team import Team
from airspace.teams.document import parse
from airspace.teams.validation import validate, validate_platform

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "team-file.md").read_text()
PLATFORM_EXAMPLES = re.findall(r"^```yaml platform\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_valid(example: str) -> None:
    text = example if example.startswith("name:") else f"name: example\n{example}"
    found: list[object] = []
    document = parse(text.encode(), lambda *problem: found.append(problem))
    assert document is not None
    _, problems = validate(document, "example.yaml")
    assert [*found, *problems] == []


def test_the_platform_example_is_valid() -> None:
    [example] = PLATFORM_EXAMPLES
    document = parse(example.encode(), lambda *_: None)
    assert document is not None
    content, problems = validate_platform(document, "platform.yaml")
    assert problems == []
    assert content.contact
    assert content.groups
    assert set(content.defaults.model_fields_set) == set(type(content.defaults).model_fields)


def test_every_key_is_described() -> None:
    for model in (Team, PlatformFile):
        for name, field in model.model_fields.items():
            assert f"| `{field.alias or name}" in PAGE, name


def test_every_rule_is_described() -> None:
    sources = [*(ROOT / "src/airspace/teams").glob("*.py"), ROOT / "src/airspace/model/team.py"]
    models = ("secret", "platform_file", "dag_source", "endpoints")
    sources += [ROOT / f"src/airspace/model/{name}.py" for name in models]
    code = "\n".join(path.read_text() for path in sources)
    rules = set(re.findall(r'refuse\(\s*"([a-z0-9-]+)"', code))
    rules |= set(re.findall(r'PydanticCustomError\(\s*"([a-z0-9-]+)"', code))
    rules |= set(re.findall(r'(?:_stop|report)\([^"]*(?:"",\s*)?"([a-z0-9-]+)",', code))
    rules |= set(re.findall(r'\.problem\(\s*(?:path|\([^)]*\)),\s*"([a-z0-9-]+)"', code))
    rules |= set(re.findall(r'_UnreadableError\("([a-z0-9-]+)"', code))
    assert len(rules) > 25, rules
    assert [rule for rule in sorted(rules) if f"`{rule}`" not in PAGE] == []
