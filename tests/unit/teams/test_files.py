"""A folder of team files: every problem at once, with place and fix."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airspace.model.errors import InvalidInputError
from airspace.model.home import HomeLayout
from airspace.model.problem import Problem
from airspace.teams.files import InvalidFilesError
from airspace.teams.mishaps import MishapError, about
from airspace.teams.service import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "teams").mkdir()
    (tmp_path / "home").mkdir()
    return tmp_path / "teams"


def problems(folder: Path, environ: dict[str, str] | None = None, root: Path | None = None) -> list[Problem]:
    try:
        load(folder, HomeLayout(folder.parent / "home"), environ or {}, root)
    except InvalidFilesError as error:
        return error.problems
    return []


def rules(folder: Path, **more: object) -> list[str]:
    return [problem.rule for problem in problems(folder, **more)]  # type: ignore[arg-type]


def test_every_problem_of_every_file_at_once(folder: Path) -> None:
    (folder / "a.yaml").write_text(
        "name: data_science\n"
        "membres: {ada: lead}\n"
        "slots: many\n"
        "members: {ada: athor, ada: lead}\n"
        "assets: {x: {consumers: [data_analytic]}}\n"
        "dags: {folder: ../elsewhere}\n"
        "connections:\n"
        "  w: {type: http, hots: x, password: {env: NOT_THERE}}\n"
    )
    (folder / "b.yaml").write_text("name: data_analytics\npools: {GPU: 1, gpu: 2}\n")
    (folder / "c.yaml").write_text("name: data_science\n")
    (folder / "d.yaml").write_text("name: Data Ops\n")
    (folder / "e.yaml").write_text("name: [\n")
    found = {(Path(p.file).name, p.line, p.rule) for p in problems(folder)}
    assert found == {
        ("a.yaml", 2, "unknown-key"),
        ("a.yaml", 3, "wrong-type"),
        ("a.yaml", 4, "bad-role"),
        ("a.yaml", 4, "duplicate-key"),
        ("a.yaml", 5, "unknown-team"),
        ("a.yaml", 6, "folder-outside"),
        ("a.yaml", 8, "unknown-key"),
        ("a.yaml", 8, "no-secret"),
        ("b.yaml", 2, "case-collision"),
        ("c.yaml", 1, "duplicate-team"),
        ("d.yaml", 1, "bad-name"),
        ("e.yaml", 2, "yaml"),
    }
    fixes = {p.rule + p.key: p.fix for p in problems(folder)}
    assert fixes["unknown-keymembres"] == "did you mean members?"
    assert fixes["unknown-keyconnections.w.hots"] == "did you mean host?"
    assert fixes["unknown-teamassets.x.consumers.0"] == "did you mean data_analytics?"
    assert fixes["bad-namename"].startswith("write data_ops;")


def test_a_problem_reads_like_a_compiler_s(folder: Path) -> None:
    (folder / "ops.yaml").write_text("name: ops\nslotss: 1\n")
    [problem] = problems(folder)
    assert str(problem) == f"{folder}/ops.yaml:2:1: unknown key slotss [unknown-key]\n    fix: did you mean slots?"


def test_no_value_is_ever_quoted(folder: Path) -> None:
    (folder / "ops.yaml").write_text(
        "name: ops\nconnections:\n  a: {type: x, password: [hunter22]}\n  b: {uri: 'hunter22'}\n"
        "  c: {type: x, port: hunter22}\nslots: hunter22\nmembers: {ada: hunter22}\nlimits: {memory: hunter22}\n"
    )
    found = problems(folder)
    assert len(found) == 6
    assert "hunter22" not in str(found)


def test_missing_name_empty_file_and_no_mapping(folder: Path) -> None:
    (folder / "a.yaml").write_text("title: x\n")
    (folder / "b.yaml").write_text("# nothing\n")
    (folder / "c.yaml").write_text("- name: ops\n")
    assert sorted(rules(folder)) == ["missing-key", "wrong-type", "wrong-type"]


def test_an_empty_folder_is_told(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="no team file"):
        load(folder, HomeLayout(folder.parent / "home"), {})


def test_dag_folders_stay_inside(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "file").write_text("")
    for number, named in enumerate(("link", "/etc", "..", ".", "file", "link/../../outside", "x/../../outside/y")):
        (folder / f"t{number}.yaml").write_text(f"name: team_{number}\ndags: {{folder: '{named}'}}\n")
    assert rules(folder) == ["folder-outside"] * 7
    (folder / "file").unlink()
    found = rules(folder, root=folder.parent)
    assert found.count("folder-outside") == 3  # /etc, .. which is the root itself, and .. beyond a link
    assert "folder-shared" in found


def test_the_platform_s_own_folders_are_no_dag_folders(folder: Path) -> None:
    (folder / "ops.yaml").write_text("name: ops\ndags: {folder: ../home/secrets}\n")
    assert rules(folder, root=folder.parent) == ["folder-outside"]


def test_teams_share_no_dag_folder(folder: Path) -> None:
    (folder / "dags" / "one" / "deep").mkdir(parents=True)
    (folder / "alias").symlink_to(folder / "dags" / "one")
    for name, named in (("one", "dags/one"), ("two", "dags/one/deep"), ("three", "alias"), ("four", "dags/four")):
        (folder / f"{name}.yaml").write_text(f"name: {name}\ndags: {{folder: {named}}}\n")
    found = {(Path(p.file).stem, p.message.rpartition(" ")[2]) for p in problems(folder)}
    assert found == {("two", "one"), ("two", "three"), ("three", "one")} or found == {
        ("two", "one"), ("two", "three"), ("one", "three"),
    }  # fmt: skip


def test_a_folder_that_the_platform_makes_is_its_team_s_alone(folder: Path) -> None:
    (folder / "one.yaml").write_text("name: one\n")
    (folder / "two.yaml").write_text("name: two\ndags: {folder: ../home/dags/one}\n")
    [problem] = problems(folder, root=folder.parent)
    assert (Path(problem.file).name, problem.line, problem.rule) == ("two.yaml", 2, "folder-shared")


def test_dag_folders_of_teams_applied_before_count_too(folder: Path) -> None:
    home = folder.parent / "home"
    (home / "sources.json").write_text(
        '{"bundles": {"old": {"team": "old", "folder": "%s"}}}' % (folder / "dags" / "old" / "deep")
    )
    (folder / "ops.yaml").write_text("name: ops\ndags: {folder: dags/old}\n")
    assert rules(folder) == ["folder-shared"]
    (folder / "ops.yaml").write_text("name: ops\nassets: {x: {consumers: [old]}}\n")
    assert rules(folder) == []


def test_secret_references(folder: Path) -> None:
    home = folder.parent / "home"
    (home / "secrets").mkdir()
    (home / "secrets" / "fernet").write_text("platform secret")
    (folder / "good").write_text("s3cret\n")
    (folder / "empty").write_text("\n")
    (folder / "big").write_bytes(b"x" * 70_000)
    (folder / "binary").write_bytes(b"\xff")
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    places = ("../home/secrets/fernet", "empty", "big", "binary", "pipe", "loop", "missing", "/proc/self/environ", ".")
    lines = [f"  f{n}: {{file: {place}}}" for n, place in enumerate(places)]
    lines += ["  e1: {env: UNSET}", "  e2: {env: EMPTY}", "  e3: {env: AIRFLOW__CORE__FERNET_KEY}"]
    (folder / "ops.yaml").write_text("name: ops\nvariables:\n  ok: {file: good}\n" + "\n".join(lines) + "\n")
    found = problems(folder, {"EMPTY": "", "AIRFLOW__CORE__FERNET_KEY": "k"})
    assert {p.rule for p in found} == {"no-secret"}
    assert [p.line for p in found] == list(range(4, 16))
    (folder / "ops.yaml").write_text("name: ops\nvariables:\n  ok: {file: good}\n")
    loaded = load(folder, HomeLayout(home), {})
    assert loaded.teams[0].desired.variables["ok"].text == "s3cret"
    assert "s3cret" not in repr(loaded)


def test_links_and_odd_files(folder: Path) -> None:
    (folder.parent / "real.yaml").write_text("name: ops\n")
    (folder / "outside.yaml").symlink_to(folder.parent / "real.yaml")
    (folder / "dangling.yaml").symlink_to("nowhere")
    (folder / "loop.yaml").symlink_to("loop.yaml")
    os.mkfifo(folder / "pipe.yaml")
    (folder / "dir.yaml").mkdir()
    (folder / "latin.yaml").write_bytes("name: é".encode("latin-1"))
    (folder / "data").mkdir()
    (folder / "data" / "real.yaml").write_text("name: inside\n")
    (folder / "inside.yaml").symlink_to("data/real.yaml")
    (folder / "itself.yaml").symlink_to(".")
    assert {Path(p.file).stem: p.rule for p in problems(folder)} == {
        "outside": "outside",
        "dangling": "unreadable",
        "loop": "unreadable",
        "pipe": "unreadable",
        "dir": "unreadable",
        "itself": "unreadable",
        "latin": "not-utf8",
    }


def test_warnings_do_not_stop(folder: Path) -> None:
    (folder / "other.yaml").write_text(
        "name: ops\ndags: {folder: dags/ops}\nconnections: {w: {type: http, password: hunter22}}\n"
    )
    loaded = load(folder, HomeLayout(folder.parent / "home"), {})
    assert {warning.rule for warning in loaded.warnings} == {"file-name", "plain-secret", "no-folder"}
    assert "hunter22" not in str(loaded.warnings)


def test_three_hundred_teams_are_judged_quickly(folder: Path) -> None:
    for number in range(300):
        text = (
            f"name: team_{number}\ndags: {{folder: dags/t{number}}}\nassets: {{x{number}: {{consumers: [team_0]}}}}\n"
        )
        (folder / f"team_{number}.yaml").write_text(text)
    assert len(load(folder, HomeLayout(folder.parent / "home"), {}).teams) == 300


KEYS = st.sampled_from(
    [
        "name",
        "title",
        "members",
        "dags",
        "connections",
        "variables",
        "pools",
        "slots",
        "limits",
        "network",
        "assets",
        "x",
    ]
)
JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(min_value=2**62, max_value=2**3_000),
        st.floats(),
        st.text(max_size=6),
        st.just("ops"),
        st.just("[key]"),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.text(max_size=4), st.sampled_from(["env", "file", "folder", "uri", "type", "extra", "consumers"])
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, JUNK, max_size=6))
def test_junk_is_told_and_never_crashes(folder: Path, document: dict[str, object]) -> None:
    import json

    (folder / "ops.yaml").write_text(json.dumps(document))
    for problem in problems(folder):
        assert problem.fix
        assert problem.message
        assert problem.line >= 1


def test_json_writes_some_characters_in_two_halves(folder: Path) -> None:
    (folder / "ops.yaml").write_text('{"name": "ops", "title": "Ops \\ud83d\\ude80", "dags": {"folder": "dags/ops"}}')
    assert problems(folder) == []
    (folder / "ops.yaml").write_text('{"name": "ops", "title": "Ops \\ud83d", "dags": {"folder": "dags/ops"}}')
    [problem] = problems(folder)
    assert (problem.rule, problem.line) == ("bad-text", 1)


@pytest.mark.parametrize(
    "number", ["0x" + "f" * 5_000, "0o" + "7" * 5_000, "0x1" + "0" * 16, str(2**63), str(-(2**63))]
)
@pytest.mark.parametrize(
    "where",
    [
        "variables:\n  a: {}\n",
        "variables:\n  a: [x, {{y: {}}}]\n",
        "connections:\n  a: {{type: x, extra: {{b: {}}}}}\n",
    ],
)
def test_numbers_that_nothing_can_store(folder: Path, number: str, where: str) -> None:
    (folder / "ops.yaml").write_text("name: ops\n" + where.format(number))
    [problem] = problems(folder)
    assert (problem.rule, problem.line) == ("bad-value" if len(number) > 1_000 else "not-json", 3)


def test_the_largest_numbers(folder: Path) -> None:
    (folder / "ops.yaml").write_text(
        f"name: ops\nvariables: {{a: {2**63 - 1}, b: {1 - 2**63}, c: 0x7fffffffffffffff}}\n"
    )
    assert problems(folder) == []


def test_a_fault_of_ours_names_the_file_and_quotes_nothing(folder: Path) -> None:
    with pytest.raises(MishapError) as caught, about("teams/ops.yaml"):
        int("hunter22")
    assert caught.value.message.startswith("teams/ops.yaml: a fault of Airspace itself: ValueError at test_files.py:")
    assert "report" in str(caught.value.fix)
    assert "hunter22" not in str(caught.value)
    with pytest.raises(InvalidInputError), about("teams/ops.yaml"):
        raise InvalidInputError("known")


def places(folder: Path, **more: object) -> list[tuple[int, str, str]]:
    return sorted((found.line, found.key, found.rule) for found in problems(folder, **more))  # type: ignore[arg-type]


def test_every_entry_of_network_is_told_where_it_stands(folder: Path) -> None:
    (folder / "ops.yaml").write_text("name: ops\nnetwork:\n  - db.example\n  - ok.example:1\n  - 5\n  - '*:1'\n")
    assert places(folder) == [
        (3, "network.0", "bad-endpoint"),
        (5, "network.2", "wrong-type"),
        (6, "network.3", "bad-endpoint"),
    ]
    (folder / "ops.yaml").write_text("name: ops\n")
    (folder / "platform.yaml").write_text("defaults:\n  network:\n    - db.example\n    - x.example:0\n")
    assert places(folder) == [
        (3, "defaults.network.0", "bad-endpoint"),
        (4, "defaults.network.1", "bad-endpoint"),
    ]


def test_values_that_are_no_json_are_told_where_they_stand(folder: Path) -> None:
    (folder / "ops.yaml").write_text("name: ops\nvariables:\n  v:\n    - .inf\n    - 1\n    - {k: .nan}\n")
    assert places(folder) == [(4, "variables.v.0", "not-json"), (6, "variables.v.2.k", "not-json")]


def test_keys_that_do_not_go_together_are_told_with_the_rest(folder: Path) -> None:
    (folder / "ops.yaml").write_text(
        "name: ops\nconnections:\n"
        "  a: {uri: 'http://x', type: x, port: no}\n"
        "  b: {port: 5, host: [1]}\n"
        "  c: {type: 5, hots: x}\n"
        "  d: {uri: [1], hots: x}\n"
        "  e: {}\n"
    )
    assert places(folder) == [
        (3, "connections.a", "uri-and-fields"),
        (3, "connections.a.port", "wrong-type"),
        (4, "connections.b", "missing-key"),
        (4, "connections.b.host", "wrong-type"),
        (5, "connections.c.hots", "unknown-key"),
        (5, "connections.c.type", "wrong-type"),
        (6, "connections.d.hots", "unknown-key"),
        (6, "connections.d.uri", "wrong-type"),
        (7, "connections.e", "missing-key"),
    ]


def test_everything_wrong_with_a_source_is_told(folder: Path) -> None:
    (folder / "ops.yaml").write_text(
        "name: ops\ndags:\n  git:\n    branch: 5\n    tag: v1\n"
        "    password: {env: NOPE}\n    key: {env: NOPE2}\n    hots: 1\n"
    )
    (folder / "more.yaml").write_text(
        "name: more\ndags:\n  folder: x\n  git:\n    url: 'https://git.example/x.git'\n    every: 1\n"
        "    login: bot\n    key: {env: NOPE}\n"
    )
    (folder / "store.yaml").write_text("name: store\ndags: {object_store: {url: here, key: x, every: 1}}\n")
    assert places(folder) == [
        (2, "dags.object_store", "wrong-login"),
        (2, "dags.object_store.every", "out-of-range"),
        (2, "dags.object_store.url", "bad-url"),
        (3, "dags", "two-sources"),
        (3, "dags.git.url", "missing-key"),
        (4, "dags.git", "two-sources"),
        (4, "dags.git.branch", "wrong-type"),
        (5, "dags.git", "wrong-login"),
        (5, "dags.git", "wrong-login"),
        (6, "dags.git.every", "out-of-range"),
        (6, "dags.git.password", "no-secret"),
        (7, "dags.git.key", "no-secret"),
        (8, "dags.git.hots", "unknown-key"),
        (8, "dags.git.key", "no-secret"),
    ]


def test_one_bad_entry_hides_no_other(folder: Path) -> None:
    (folder / "ops.yaml").write_text(
        "name: ops\nassets:\n  x:\n    consumers:\n"
        "      - Bad\n      - other_nobody\n      - 5\n      - ops2\n      - ops2\n"
    )
    (folder / "ops2.yaml").write_text("name: ops2\n")
    assert places(folder) == [
        (5, "assets.x.consumers.0", "bad-name"),
        (6, "assets.x.consumers.1", "unknown-team"),
        (7, "assets.x.consumers.2", "wrong-type"),
        (9, "assets.x.consumers.4", "duplicate"),
    ]


def test_an_asset_of_two_files_is_told_with_both_places(folder: Path) -> None:
    (folder / "a.yaml").write_text("name: team_a\nassets:\n  x: {}\n  orders: {}\n")
    (folder / "b.yaml").write_text("name: team_b\nassets: {x: {}}\n")
    (folder / "c.yaml").write_text("name: team_c\nassets: {Orders: {}}\n")
    found = {problem.key: problem for problem in problems(folder)}
    assert {key: problem.rule for key, problem in found.items()} == {
        "assets.x": "duplicate",
        "assets.Orders": "case-collision",
    }
    assert found["assets.x"].file == f"{folder}/b.yaml"
    assert found["assets.x"].message.endswith(f"team team_a too: {folder}/a.yaml:3")
    assert found["assets.Orders"].message.endswith(f"{folder}/a.yaml:4")


def test_a_consumer_whose_file_is_broken_is_not_missing(folder: Path) -> None:
    (folder / "ops.yaml").write_text("name: ops\nassets: {x: {consumers: [broken_one, unnamed, nobody_here]}}\n")
    (folder / "broken_one.yaml").write_text("name: [\n")
    (folder / "unnamed.yaml").write_text("name: Unnamed\n")
    assert [problem.message for problem in problems(folder) if problem.rule == "unknown-team"] == [
        "there is no team nobody_here"
    ]


def test_a_number_in_quotes_is_told_once(folder: Path) -> None:
    (folder / "ops.yaml").write_text("name: ops\nlimits: {cpu: '2'}\nwarehouse: {sze: 1G}\n")
    [first, second] = problems(folder)
    assert (first.key, first.rule, first.message) == ("limits.cpu", "wrong-type", "cpu should be a number")
    assert second.fix == "did you mean size?"


def test_every_problem_has_a_line(folder: Path) -> None:
    (folder / "a.yaml").write_text("name: a\n# \x1b[2K\n")
    (folder / "b.yaml").write_text("name: b\n\n\0")
    (folder / "c.yaml").write_bytes(b"x" * 300_000)
    (folder / "d.yaml").symlink_to("/etc/passwd")
    (folder / "e.yaml").symlink_to("e.yaml")
    assert [problem.line for problem in problems(folder)] == [2, 3, 1, 1, 1]


@pytest.mark.parametrize("kind", ['"a\\0b"', "''", "a b", '"x\\n"', "x" * 101, "é"])
def test_what_is_no_type_of_a_connection(folder: Path, kind: str) -> None:
    (folder / "ops.yaml").write_text(f"name: ops\nconnections:\n  w: {{type: {kind}}}\n")
    assert places(folder) == [(3, "connections.w.type", "bad-name")]


def test_nothing_that_the_database_refuses_gets_through(folder: Path) -> None:
    nul = '"a\\0b"'
    (folder / "ops.yaml").write_text(
        "name: ops\nconnections:\n"
        f"  a: {{type: x, extra: {{{nul}: 1}}}}\n"
        f"  b: {{type: x, extra: {{k: {{{nul}: 1}}}}}}\n"
        f"  c: {{type: x, host: {nul}}}\n"
        f"  d: {{type: x, login: {nul}}}\n"
        f"  e: {{uri: {nul}}}\n"
        f"variables:\n  v: {nul}\n"
    )
    assert [line for line, _, _ in places(folder)] == [3, 4, 5, 6, 7, 9]


def test_names_of_different_files_that_differ_only_in_case(folder: Path) -> None:
    (folder / "a.yaml").write_text("name: team_a\nmembers: {ada: lead, ben: lead}\n")
    (folder / "b.yaml").write_text("name: team_b\nmembers:\n  Ada: viewer\n  ben: viewer\n")
    (folder / "c.yaml").write_text("name: team_c\nmembers: {Ada: viewer}\n")
    [problem] = problems(folder)
    assert (problem.file, problem.line, problem.rule) == (f"{folder}/b.yaml", 3, "case-collision")
    assert problem.message.endswith(f"{folder}/a.yaml")


def test_an_ending_in_capitals_is_read(folder: Path) -> None:
    (folder / "Ops.YAML").write_text("name: ops\nslots: 0\n")
    (folder / "more.Yml").write_text("name: more\nslots: 0\n")
    assert rules(folder) == ["out-of-range"] * 2


def test_a_name_like_another_s_names_its_file(folder: Path) -> None:
    (folder / "one.yaml").write_text("name: data_science\n")
    (folder / "two.yaml").write_text("name: datascience\n")
    [problem] = problems(folder)
    assert problem.message == f"datascience looks like the team data_science ({folder}/one.yaml)"


def test_thousands_of_unknown_consumers_are_told_quickly(folder: Path) -> None:
    for number in range(100):
        (folder / f"team_{number}.yaml").write_text(f"name: team_{number}\n")
    named = ", ".join(f"taem_{number}" for number in range(9_000))
    (folder / "ops.yaml").write_text(f"name: ops\nassets: {{x: {{consumers: [{named}]}}}}\n")
    started = time.process_time()
    found = problems(folder)
    assert time.process_time() - started < 5
    assert len(found) == 9_000
    assert found[0].fix.startswith("did you mean team_")
