"""Anything may come up from a process that runs a team's code. Whatever it is, it is refused or stored, never fatal."""

from __future__ import annotations

import copy
import json
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airspace.airflow.stream import LONGEST_LINE, LONGEST_RECORD, Frames, Meter, Outbox, SpoiledError
from airspace.model.limits import CodeLimits
from tests.unit.runtime.untrusted import asset, document, heard, mapped, task, vetted

FEW = settings(max_examples=150)

WORDS = [
    "__type",
    "__var",
    "dag_id",
    "tasks",
    "pool",
    "executor",
    "operator",
    "dict",
    "asset",
    "objects",
    "name",
    "uri",
]
WORDS += [
    "timetable",
    "partial_kwargs",
    "_is_mapped",
    "expand_input",
    "value",
    "children",
    "task_group",
    "outlets",
    "x",
]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(WORDS),
    st.binary(max_size=3),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=25,
)  # fmt: skip


def frames_of(limits: CodeLimits, on_frame: Callable[[bytes], None]) -> Frames:
    """As the parent reads a process that parses."""
    return Frames(
        on_frame,
        most_bytes=limits.message_bytes,
        most_containers=limits.message_containers,
        most=limits.requests,
        advice="divide the file into several",
    )


def stored_as_json(data: Any) -> None:
    """What the database does with it."""
    assert json.loads(json.dumps(data, allow_nan=False).encode("utf-8").decode()) == data


def hold(*documents: Any, **keywords: Any) -> None:
    found = vetted(*documents, **keywords)
    for dag in found.dags:
        stored_as_json(dag.data)
    for path, text in found.import_errors.items():
        assert len(path) <= 1000
        assert "\0" not in text
        text.encode("utf-8")


@FEW
@given(data=TREES, errors=TREES, warnings=TREES)
def test_anything_at_all(data: Any, errors: Any, warnings: Any) -> None:
    hold(data, errors=errors, warnings=warnings)


WHOLE = document(
    timetable=heard(asset("a"), asset("b")),
    tasks=[
        task("one", outlets=[asset("c")], pool="gpu", downstream_task_ids=["two"]),
        task(**{**mapped([1, 2], pool="gpu")["__var"], "task_id": "two"}),
    ],
    params=[["x", {"__class": "p", "default": 1}]],
    task_group={"children": {"one": ["operator", "one"]}},
    default_args={"__type": "dict", "__var": {"owner": "me"}},
    owner_links={"me": "https://example.com"},
    dag_dependencies=[{"source": "a", "target": "b", "label": "c", "dependency_type": "trigger", "dependency_id": "e"}],
)  # fmt: skip


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in steps:
        found += places(value, (*path, key))
    return found


PLACES = places(WHOLE)


@FEW
@given(where=st.lists(st.sampled_from(PLACES), min_size=1, max_size=3), values=st.lists(TREES, min_size=3, max_size=3))
def test_any_part_replaced_by_anything(where: list[tuple[Any, ...]], values: list[Any]) -> None:
    data = copy.deepcopy(WHOLE)
    for path, value in zip(where, values, strict=False):
        node = data
        try:
            for step in path[:-1]:
                node = node[step]
            node[path[-1]] = value
        except (KeyError, IndexError, TypeError):  # an earlier replacement took the place away
            continue
    hold(data)


def test_the_whole_one_is_let_in() -> None:
    assert len(vetted(WHOLE).dags) == 1


# --- the wire --------------------------------------------------------------------------------------------------------


def fed(data: bytes, limits: CodeLimits) -> list[bytes]:
    """The frames that come out, when it all comes in odd pieces."""
    here, there = socket.socketpair()
    frames: list[bytes] = []
    reader = frames_of(limits, frames.append)

    def write() -> None:
        with here:
            for start in range(0, len(data), 70_000):
                try:
                    here.sendall(data[start : start + 70_000])
                except OSError:
                    return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with there:
            while reader.read(there):
                pass
    finally:
        there.close()
        writer.join()
    return frames


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


SMALL = CodeLimits(message_bytes=100_000, message_containers=50, requests=5)


def test_frames_come_out_as_they_went_in() -> None:
    bodies = [b"x", b"y" * 99_999, b"z" * 1000]
    assert fed(b"".join(map(frame, bodies)), SMALL) == bodies


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xff\xff\xff\xff", "takes 4096 MB"),
        (frame(b"x") * 6, "more than 5 things"),
        (frame(b""), "empty message"),
        (frame(b"\x90" * 51), "lists and mappings"),
    ],
)
def test_what_would_fill_the_parent_is_ended_before_it_does(data: bytes, why: str) -> None:
    with pytest.raises(SpoiledError, match=why):
        fed(data, SMALL)


def test_a_frame_that_is_announced_and_never_comes_takes_no_memory() -> None:
    here, there = socket.socketpair()
    reader = frames_of(CodeLimits(message_bytes=2**31), lambda _: None)
    with here, there:
        here.sendall((2**30).to_bytes(4, "big") + b"a few bytes")
        assert reader.read(there)
        assert reader.read(there)
        assert len(reader._buffer) < 100


@FEW
@given(data=st.binary(max_size=300))
def test_any_bytes_on_the_wire(data: bytes) -> None:
    decoder = msgspec.msgpack.Decoder()
    try:
        for found in fed(data, SMALL):
            decoder.decode(found)
    except (SpoiledError, msgspec.MsgspecError, ValueError, RecursionError):
        pass


def test_the_bound_on_containers_holds_for_every_message() -> None:
    """It counts bytes, not objects: there may be fewer containers than it says, never more."""
    generator = random.Random(1)  # noqa: S311 - the same every time
    for _ in range(200):
        tree: Any = [{} for _ in range(generator.randrange(80))] + [[]] * generator.randrange(80)
        data = msgspec.msgpack.encode({"a": tree})
        allowed = CodeLimits(message_containers=len(tree) + 2)
        frames_of(allowed, lambda _: None)._check(data)
        if len(tree) > 1:
            with pytest.raises(SpoiledError):
                frames_of(CodeLimits(message_containers=len(tree) // 2), lambda _: None)._check(data)


def test_what_is_printed_is_metered() -> None:
    here, there = socket.socketpair()
    meter, buffer = Meter(10, "it printed too much"), bytearray(9)
    with here, there:
        here.sendall(b"x" * 20)
        assert meter.on(there).recv_into(buffer) == 8
        with pytest.raises(SpoiledError, match="printed too much"):
            meter.on(there).recv_into(buffer)


def test_a_line_without_an_end_is_broken_and_a_record_is_refused() -> None:
    meter, buffer = Meter(1 << 30, ""), bytearray(4096)
    here, there = socket.socketpair()
    with here, there:

        def lines(data: bytes, *, records: bool = False) -> list[int]:
            heard = bytearray()
            for start in range(0, len(data), 4000):
                here.sendall(data[start : start + 4000])
                heard += buffer[: meter.on(there, records=records).recv_into(buffer)]
            return [len(line) for line in heard.split(b"\n")]

        assert lines(b"a\nb" * 3000) == [1, *[2] * 2999, 1], "ordinary lines are as they were"
        broken = lines(b"\n" + b"x" * 3 * LONGEST_LINE)
        assert max(broken) <= LONGEST_LINE + 4096
        assert sum(broken) == 3 * LONGEST_LINE
        assert max(lines(b"\n" + b"x" * 2 * LONGEST_LINE, records=True)) == 2 * LONGEST_LINE
        with pytest.raises(SpoiledError, match="one record of more than 4 MB"):
            lines(b"x" * LONGEST_RECORD, records=True)


def test_nobody_waits_for_one_that_does_not_read() -> None:
    here, there = socket.socketpair()
    box = Outbox(here, 1_000_000)
    with here, there:
        begun = time.monotonic()
        assert box.send(b"x" * 600_000), "more than a socket holds: the rest is kept"
        assert box.send(b"y" * 300_000)
        with pytest.raises(SpoiledError, match="does not read"):
            box.send(b"y" * 800_000)
        assert time.monotonic() - begun < 20, "one that waited would wait for ever"


def test_what_was_kept_is_sent_on() -> None:
    here, there = socket.socketpair()
    box, taken = Outbox(here, 1_000_000), 0
    with here, there:
        more = box.send(b"x" * 700_000)
        while more or taken < 700_000:
            taken += len(there.recv(100_000))
            more = box.flush()
        assert taken == 700_000
        there.close()
        assert not box.send(b"to nobody")
