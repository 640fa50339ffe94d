"""platform.yaml: defaults, groups and the contact, judged with the team files beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airspace.model import platform_file
from airspace.model.home import HomeLayout
from airspace.model.names import skeletons
from airspace.model.problem import Problem
from airspace.model.team import json_schema
from airspace.teams import completing
from airspace.teams.files import InvalidFilesError
from airspace.teams.loading import LoadedTeams
from airspace.teams.service import load

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "teams").mkdir()
    return tmp_path / "teams"


def loaded(folder: Path) -> LoadedTeams:
    return load(folder, HomeLayout(folder.parent / "home"), {})


def problems(folder: Path) -> set[tuple[str, int, str]]:
    with pytest.raises(InvalidFilesError) as error:
        loaded(folder)
    return {(Path(problem.file).name, problem.line, problem.rule) for problem in error.value.problems}


def test_defaults_lie_below_each_file_s_own_keys(folder: Path) -> None:
    (folder / "platform.yaml").write_text(
        "contact: ask Ada\n"
        "groups: {engineers: [dora, emil]}\n"
        "defaults:\n"
        "  slots: 4\n"
        "  limits: {processes: 64, scratch: 2G}\n"
        "  network: [proxy.example:3128]\n"
        '  members: {"@engineers": operator}\n'
        "  pools: {gpu: 1}\n"
    )
    (folder / "one.yaml").write_text("name: one\n")
    (folder / "two.yaml").write_text(
        "name: two\nslots: 16\nlimits: {processes: 8}\nnetwork: []\n"
        "members: {dora: lead, ben: viewer}\npools: {gpu: 9}\n"
    )
    one, two = (team.desired for team in loaded(folder).teams)
    assert (one.slots, one.members, one.pools) == (4, {"dora": "operator", "emil": "operator"}, {"gpu": 1})
    assert one.spec["network"] == ["proxy.example:3128"]
    assert one.spec["limits"] == {"processes": 64, "scratch": 2 * 1024**3}
    assert (two.slots, two.pools, two.spec.get("network")) == (16, {"gpu": 9}, None)
    assert two.spec["limits"] == {"processes": 8, "scratch": 2 * 1024**3}
    assert two.members == {"dora": "lead", "emil": "operator", "ben": "viewer"}
    assert "@" not in json.dumps([one.spec, two.spec])


def test_everything_wrong_with_it_is_told_with_the_rest(folder: Path) -> None:
    (folder / "platform.yaml").write_text(
        "contact: ''\n"
        "default: {}\n"
        "groups: {Big: [ada], ok: [ben, Ben], twice: [eve, eve], bad: ['no name']}\n"
        "defaults: {slot: 1, limits: {memory: much, mem: 1}}\n"
    )
    (folder / "ops.yaml").write_text("name: ops\nslots: 0\n")
    assert problems(folder) == {
        ("platform.yaml", 1, "bad-text"),
        ("platform.yaml", 2, "unknown-key"),
        ("platform.yaml", 3, "bad-name"),
        ("platform.yaml", 3, "case-collision"),
        ("platform.yaml", 3, "duplicate"),
        ("platform.yaml", 4, "unknown-key"),
        ("platform.yaml", 4, "bad-size"),
        ("ops.yaml", 2, "out-of-range"),
    }
    (folder / "platform.yaml").write_text(
        "groups:\n  ok: [ben, Ben]\n  twice: [eve, eve]\ndefaults: {members: {'@nobody': lead}}\n"
    )
    (folder / "ops.yaml").write_text("name: ops\nmembers: {'@okk': lead, '@No': lead}\n")
    assert problems(folder) == {
        ("platform.yaml", 2, "case-collision"),
        ("platform.yaml", 3, "duplicate"),
        ("platform.yaml", 4, "unknown-group"),
        ("ops.yaml", 2, "bad-name"),
        ("ops.yaml", 2, "unknown-group"),
    }


def test_a_broken_platform_file_is_told_once(folder: Path) -> None:
    (folder / "platform.yaml").write_text("groups: [\n")
    (folder / "ops.yaml").write_text("name: ops\n")
    assert problems(folder) == {("platform.yaml", 2, "yaml")}
    (folder / "platform.yaml").write_text("contact: a\ncontact: b\n")
    assert problems(folder) == {("platform.yaml", 2, "duplicate-key")}


def test_who_comes_by_two_groups_with_two_roles_has_to_be_named(folder: Path) -> None:
    (folder / "platform.yaml").write_text("groups: {one: [ada, ben], two: [ada]}\n")
    (folder / "ops.yaml").write_text("name: ops\nmembers: {'@one': lead, '@two': viewer}\n")
    assert problems(folder) == {("ops.yaml", 2, "unknown-group")} or problems(folder) == {("ops.yaml", 2, "two-roles")}
    (folder / "ops.yaml").write_text("name: ops\nmembers: {'@one': lead, '@two': viewer, ada: author}\n")
    assert loaded(folder).teams[0].desired.members == {"ada": "author", "ben": "lead"}


def test_a_team_may_be_called_platform(folder: Path) -> None:
    (folder / "platform.yaml").write_text("name: platform\n")
    assert [team.desired.name for team in loaded(folder).teams] == ["platform"]


def test_an_empty_one_says_nothing(folder: Path) -> None:
    (folder / "platform.yaml").write_text("# nothing yet\n")
    (folder / "ops.yaml").write_text("name: ops\n")
    assert loaded(folder).teams[0].desired.slots == 16
    (folder / "platform.yaml").write_text("groups:\ndefaults:\n")
    assert loaded(folder).teams[0].desired.slots == 16


def test_the_contact_is_told_to_everybody_until_the_same_folder_takes_it_back(folder: Path) -> None:
    layout = HomeLayout(folder.parent / "home")

    def tell(place: Path) -> object:
        platform, wrong = completing.beside(place)
        assert wrong == []
        completing.tell_everybody(layout, platform)
        return json.loads(layout.platform.read_text()).get("contact") if layout.platform.exists() else None

    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    assert tell(folder) is None
    (folder / "platform.yaml").write_text("contact: |\n  Ask Ada,\n  room 7\n")
    assert tell(folder) == "Ask Ada,\nroom 7\n"
    assert tell(elsewhere) == "Ask Ada,\nroom 7\n"
    (folder / "platform.yaml").unlink()
    assert tell(folder) is None


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("finance", "f1nance", True),
        ("finance", "flnance", True),
        ("data_ops", "data_0ps", True),
        ("modern_bi", "modem_bi", True),
        ("bi_sales", "bi_5ales", True),
        ("data_science", "datascience", True),
        ("datasc1ence", "data_science", True),
        ("team_1_2", "team_12", False),
        ("a_bcd", "abc_d", True),
        ("team_i", "team_l", False),
        ("team_1", "team_11", False),
        ("team_a", "team_b", False),
        ("data_science", "data_sciences", False),
    ],
)
def test_names_that_look_alike(folder: Path, one: str, other: str, alike: bool) -> None:
    assert bool(skeletons(one) & skeletons(other)) == alike
    for name in (one, other):
        (folder / f"{name}.yaml").write_text(f"name: {name}\n")
    if alike:
        assert {rule for _, _, rule in problems(folder)} == {"look-alike"}
    else:
        assert len(loaded(folder).teams) == 2


def test_teams_that_are_there_already_may_look_alike(folder: Path) -> None:
    teams = folder.parent / "home" / "teams"
    teams.mkdir()
    (teams / "finance.yaml").touch()
    (folder / "one.yaml").write_text("name: f1nance\n")
    assert problems(folder) == {("one.yaml", 1, "look-alike")}
    (teams / "f1nance.yaml").touch()
    assert len(loaded(folder).teams) == 1


def test_limits_beyond_the_machine(folder: Path) -> None:
    (folder / "ops.yaml").write_text(
        "name: ops\nlimits:\n  memory: 900T\n  cpu: 4000\n  processes: 1000000\n  scratch: 900T\n"
        "warehouse: {size: 1024T}\n"
    )
    found = problems(folder)
    assert {("ops.yaml", line, "beyond-machine") for line in (3, 4, 6, 7)} <= found


@pytest.mark.parametrize(("name", "schema"), [("team", json_schema()), ("platform", platform_file.json_schema())])
def test_the_published_schemas_are_current(name: str, schema: dict[str, object]) -> None:
    published = ROOT / "docs" / "schema" / f"{name}.schema.json"
    assert json.loads(published.read_text()) == schema, f"airspace team schema [--platform] > {published}"


KEYS = st.sampled_from(["contact", "groups", "defaults", "name", "x"])
JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just("@ops")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["ops", "@ops", "members", "slots", "limits", "memory", "network", "pools", "Ops", ""]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(JUNK, st.dictionaries(KEYS, JUNK, max_size=4)))
def test_junk_is_told_and_never_crashes(folder: Path, document: object) -> None:
    (folder / "platform.yaml").write_text(json.dumps(document))
    (folder / "ops.yaml").write_text("name: ops\nmembers: {'@ops': lead}\n")
    found: list[Problem] = []
    try:
        loaded(folder)
    except InvalidFilesError as error:
        found = error.problems
    assert all(problem.fix and problem.message and problem.line >= 1 for problem in found)
