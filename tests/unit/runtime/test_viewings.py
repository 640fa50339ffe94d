"""Turns by team, and the headers under which what a team made is given out."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airspace.airflow.web.pages.showing import HEADERS, disposition, harmless
from airspace.airflow.web.pages.turns import NoTurnError, Turns


def test_a_teams_turns_are_its_own() -> None:
    async def go() -> None:
        turns = Turns(2, 1, 5.0)
        await turns.take("reds")
        await turns.take("reds")
        waiting = asyncio.create_task(turns.take("reds"))
        await asyncio.sleep(0.01)
        with pytest.raises(NoTurnError):
            await turns.take("reds")
        await turns.take("blues")
        turns.give("reds")
        await asyncio.wait_for(waiting, 1)
        assert not turns._queued

    asyncio.run(go())


def test_one_that_is_given_up_waits_no_more() -> None:
    async def go() -> None:
        turns = Turns(1, 5, 0.03)
        await turns.take("reds")
        with pytest.raises(NoTurnError):
            await turns.take("reds")
        gone = asyncio.create_task(turns.take("reds"))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        turns.give("reds")
        assert not turns._queued
        assert not turns._running

    asyncio.run(go())


@given(
    st.lists(st.sampled_from([b"<", b"l", b"<LI", b"nk", b"<link", b"<iFr", b"ame", b"<meta ", b"\xff\xfe"])), st.data()
)
def test_a_page_names_nothing_that_a_browser_connects_to(words: list[bytes], data: st.DataObject) -> None:
    page = b"".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(page)), max_size=4)))
    parts = [page[a:b] for a, b in itertools.pairwise([0, *cuts, len(page)])]

    async def pieces() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    async def collected() -> bytes:
        return b"".join([piece async for piece in harmless(pieces())])

    shown = asyncio.run(collected())
    assert len(shown) == len(page)
    assert not re.search(rb"<(link|iframe)", shown, re.IGNORECASE)
    assert not shown.startswith((b"\xff\xfe", b"\xfe\xff"))


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("june.csv", "june.csv"),
        ('a"; filename=x.exe', "a___filename_x.exe"),
        ("a\r\nset-cookie: x", "a__set-cookie__x"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("größe.csv", "gr__e.csv"),
        ("...", "file"),
    ],
)
def test_a_name_stays_in_its_header(name: str, plain: str) -> None:
    said = disposition("attachment", name)
    assert said.startswith(f"attachment; filename=\"{plain}\"; filename*=UTF-8''")
    assert said.isascii()
    assert said.isprintable()
    assert said.count('"') == 2


def test_a_page_may_do_nothing() -> None:
    policy = dict(rule.strip().partition(" ")[::2] for rule in HEADERS["content-security-policy"].split(";"))
    assert policy["sandbox"] == ""  # no scripts, no forms, no windows, no origin
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'self'"
    assert {policy[name] for name in ("img-src", "font-src", "media-src")} == {"data:"}
    assert not {"script-src", "connect-src", "frame-src", "worker-src"} & policy.keys()
    assert HEADERS["referrer-policy"] == "no-referrer"
