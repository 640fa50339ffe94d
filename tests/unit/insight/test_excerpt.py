"""The end of a task's log is a team's: whatever is in it, a few plain lines come out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airspace.insight.excerpt import MOST_BYTES, MOST_LINES, excerpt, plain


def line(event: object, level: str = "info", **more: object) -> str:
    return json.dumps({"timestamp": "2026-03-01T12:00:00Z", "level": level, "event": event, **more})


RAISED = {
    "error_detail": [
        {
            "exc_type": "ValueError",
            "exc_value": "no such\ncolumn",
            "frames": [{"filename": "/a/airflow.py", "lineno": 1}, {"filename": "/bundles/t/etl.py", "lineno": 42}],
        },
        {"exc_type": "KeyError", "exc_value": "the cause", "frames": []},
    ]
}


def test_the_exception_and_where_it_was_raised() -> None:
    log = [line("loading"), line("Task failed with exception", "error", **RAISED), line("::group::Post Execute")]
    found = excerpt("\n".join(log).encode(), whole=True)
    assert found.error == "ValueError: no such column"
    assert found.place == "etl.py, line 42"
    assert found.lines == ("Task failed with exception",)


def test_without_an_exception_the_loud_lines_and_else_the_last_ones() -> None:
    loud = [line("quiet"), line("the process that ran it is gone", "error")]
    assert excerpt("\n".join(loud).encode(), whole=True).error == "the process that ran it is gone"
    quiet = excerpt("\n".join(line(f"step {n}") for n in range(20)).encode(), whole=True)
    assert quiet.error is None
    assert quiet.lines == tuple(f"step {n}" for n in range(14, 20))
    assert len(quiet.lines) == MOST_LINES


def test_a_piece_of_a_line_is_no_line() -> None:
    assert excerpt(b'half a record"}\n' + line("whole").encode(), whole=False).lines == ("whole",)
    assert excerpt(b"x" * MOST_BYTES, whole=False).lines == ()


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"\n\n\0\n",
        b"[" * 100_000,
        b'{"event": 5}',
        b'{"event": "x", "error_detail": [[]]}',
        b'{"event": "x", "error_detail": {"0": 1}}',
        b'{"event": "x", "error_detail": [{"exc_type": 5}]}',
        b'{"event": "x", "error_detail": [{"exc_type": "E", "frames": [5]}]}',
        b'{"event": "x", "level": ["error"]}',
        b'{"event": "x", "error_detail": [{"exc_type": "E", "exc_value": 5, "frames": [{"filename": 1}]}]}',
        b"\xff\xfe\x80" * 1000,
    ],
)
def test_nothing_in_a_log_breaks_the_page(tail: bytes) -> None:
    found = excerpt(tail, whole=True)
    assert sum(len(line) for line in found.lines) < 4_000


@given(st.text())
def test_a_line_draws_nothing_but_itself(text: str) -> None:
    shown = plain(text)
    assert len(shown) <= 400
    assert not any(char in shown for char in "\x00\x1b\x9b\r\n\u202e\u2066\u2028\u200b\ufeff")


def test_a_long_line_is_cut_and_says_so() -> None:
    assert plain("x" * 10**6) == "x" * 399 + "…"
    assert plain("\x1b[31mred\u202eder") == "\ufffd[31mred\ufffdder"
    assert plain("half \ud800").encode() == "half \ufffd".encode()  # JSON can say it, and nothing can be sent of it
