"""YAML from people and from enemies."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airspace.teams.document import MAX_BYTES, Document, parse


def read(data: bytes | str) -> tuple[Document | None, list[tuple[int, int, str, str]]]:
    problems: list[tuple[int, int, str, str]] = []
    document = parse(data if isinstance(data, bytes) else data.encode(), lambda *problem: problems.append(problem[:4]))
    return document, problems


def test_values_are_what_yaml_1_2_says() -> None:
    document, problems = read(
        "a: 1\nb: 0.5\nc: yes\nd: true\ne: ~\nf: 2024-01-01\ng: 0x10\nh: 007\ni: '1'\nj: [x, {y: z}]\nk: !!str 5\n"
    )
    assert document is not None
    assert problems == []
    assert document.value == {
        "a": 1, "b": 0.5, "c": "yes", "d": True, "e": None, "f": "2024-01-01", "g": 16, "h": 7, "i": "1",
        "j": ["x", {"y": "z"}], "k": "5",
    }  # fmt: skip


def test_every_key_has_its_place() -> None:
    document, _ = read("name: ds\nmembers:\n  ada: lead\nnetwork:\n  - a:1\n  - b:2\n")
    assert document is not None
    assert document.place(("members", "ada"), key=True) == (3, 3)
    assert document.place(("members", "ada")) == (3, 8)
    assert document.place(("network", 1)) == (6, 5)
    assert document.place(("network", 1, "deeper")) == (6, 5)


def test_all_duplicates_are_told() -> None:
    _, problems = read("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert problems == [(2, 1, "a", "duplicate-key"), (3, 11, "b.c", "duplicate-key")]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (BOMB, "too-big"), ("[" * 100_000, "too-deep"), ("- " * 100_000, "too-deep"), ("{a: " * 50_000, "too-deep"),
        ("- a\n" * 50_000, "too-big"), (b"x" * (MAX_BYTES + 1), "too-big"), (b"a: \xff", "not-utf8"), ("a: \0", "yaml"),
        ("a: &a [*a]", "bad-alias"), ("a: *b", "bad-alias"), ("a: !!python/object:os.system x", "tag"),
        ("a: !mine x", "tag"), ("a: !!binary aGk=", "tag"), ("--- 1\n--- 2", "many-documents"), ("a: [1", "yaml"),
        ("[a]: 1", "bad-key"), ("a: " + "9" * 10_000, "bad-value"),
        ("a: 0x" + "f" * 5_000, "bad-value"), ("a: 0o" + "7" * 5_000, "bad-value"),
        ("0x" + "f" * 5_000 + ": 1", "bad-value"), ("%YAML 9.9\n---\na: 1", "yaml"), ("a: b: c", "yaml"),
        ("a:\n\tb: 1", "yaml"), ("a: @x", "yaml"), ("*a : 1", "bad-key"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_so_quickly(data: Any, rule: str) -> None:
    started = time.process_time()
    document, problems = read(data)
    assert document is None
    assert [problem[3] for problem in problems] == [rule]
    assert time.process_time() - started < 5


def test_numbers_as_keys_are_told() -> None:
    _, problems = read("1: x\n")
    assert problems == [(1, 1, "1", "bad-key")]


@given(st.binary(max_size=300))
def test_noise_never_crashes(data: bytes) -> None:
    document, problems = read(data)
    assert document is not None or problems


@settings(max_examples=300)
@given(st.text(alphabet="ab:-?[]{},&*!|>'\"%@`#~<=\n\t 01.\\é\u2028", max_size=80))
def test_nearly_yaml_never_crashes(text: str) -> None:
    document, problems = read(text)
    assert document is not None or problems
