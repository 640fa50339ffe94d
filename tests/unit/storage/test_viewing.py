"""Looking at a team's files: what is a stranger's is shown as data, in bounds, or not at all."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airspace.storage.viewing import answers, folders, pictures, reader, tables
from airspace.storage.viewing.answers import Failed, Folder, Opened, Preview, StrangeAnswerError, Versions, judged
from airspace.storage.viewing.places import Place, PlaceError, TablePlace

TEAM = "reds"
SHAPES: dict[str, Any] = {
    reader.FOLDER: Folder,
    reader.PREVIEW: Preview,
    reader.VERSIONS: Versions,
    reader.SHOW: Opened,
    reader.SAVE: Opened,
}


NO_PLACES = (
    "", "/", "files/", "files//a", "files/..", "files/a/../../blues", "files/.", "files/a\0b", "published/blues",
    "published/../x", "published/blues/..", "published/blues/news/CURRENT", "published/Blues/x", "blues/x",
    "files/" + "x" * 300, "files" + "/a" * 70, "files/\ud800", "published/blues/.staging",
)  # fmt: skip
DEEP = b"\x19" * 4000 + struct.pack("<I", 4000)
_ENTRY = b'{"entries": [{"name": "a", "kind": "file", %s}], "next": null, "complete": true}'
NO_ANSWERS = (
    b"", b"[]", b'{"failed": "because"}', b"[" * 10_000, b'{"type": "text/html", "bytes": 1}',
    b'{"entries": [], "next": "../x", "complete": true}', b'{"entries": [], "next": null, "complete": 1}',
    b'{"entries": [], "next": null, "complete": true, "x": 1}',
    _ENTRY % b'"bytes": -1, "modified": 0', _ENTRY % b'"bytes": 1, "modified": 1e999',
)  # fmt: skip


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    (tmp_path / TEAM).mkdir()
    (tmp_path / "blues").mkdir()
    (tmp_path / "blues" / "secret.txt").write_text("of the blues")
    return tmp_path


def look(storage: Path, what: str, *parts: str, **more: Any) -> tuple[Any, bytes]:
    """The answer as the platform takes it, and what follows it."""
    ours, theirs = socket.socketpair()
    asked = {"what": what, "root": str(storage), "parts": [TEAM, *parts], **more}
    with ours, ThreadPoolExecutor(1) as beside:
        answering = beside.submit(_answer, asked, theirs)
        data = b"".join(iter(lambda: ours.recv(1 << 20), b""))
        answering.result()
    size = reader.HEADER.unpack(data[:4])[0]
    assert size <= answers.MOST_BYTES
    return judged(data[4 : 4 + size], SHAPES[what]), data[4 + size :]


def _answer(asked: dict[str, Any], theirs: socket.socket) -> None:
    with theirs:
        reader.answer(asked, theirs, {})


def preview(storage: Path, name: str, content: bytes) -> Any:
    """What is shown of a file with this content."""
    (storage / TEAM / name).write_bytes(content)
    return look(storage, reader.PREVIEW, name)[0]


class TestPlaces:
    @pytest.mark.parametrize(
        ("text", "inside"),
        [
            ("files", ("reds",)),
            ("files/a/ö b.csv", ("reds", "a", "ö b.csv")),
            ("published/blues/news", ("blues", "published", "news")),
            ("published/blues/news/v1/x", ("blues", "published", "news", "v1", "x")),
        ],
    )
    def test_a_place_is_below_the_team_or_below_an_asset(self, text: str, inside: tuple[str, ...]) -> None:
        assert Place.read(text).inside(TEAM) == inside

    @pytest.mark.parametrize("text", NO_PLACES)
    def test_anything_else_is_none(self, text: str) -> None:
        with pytest.raises(PlaceError):
            Place.read(text)

    @given(st.text(max_size=80))
    def test_no_text_leads_out_of_the_folder(self, text: str) -> None:
        for whole in (text, f"files/{text}", f"published/blues/news/{text}"):
            try:
                parts = Place.read(whole).inside(TEAM)
            except PlaceError:
                continue
            assert parts[0] in (TEAM, "blues")
            assert not {"", ".", ".."} & set(parts)
            assert not any("/" in part or "\0" in part for part in parts)


class TestWhatIsNoFile:
    def test_a_link_is_not_followed_wherever_it_is(self, storage: Path) -> None:
        (storage / TEAM / "file").symlink_to(storage / "blues" / "secret.txt")
        (storage / TEAM / "folder").symlink_to(storage / "blues")
        (storage / TEAM / "passwd").symlink_to("/etc/passwd")
        for parts in (("file",), ("folder", "secret.txt"), ("passwd",)):
            for what in (reader.PREVIEW, reader.SAVE):
                assert look(storage, what, *parts) == (Failed(failed="link"), b"")
        assert look(storage, reader.FOLDER, "folder")[0] == Failed(failed="link")
        assert {entry.kind for entry in look(storage, reader.FOLDER)[0].entries} == {"link"}

    def test_a_pipe_a_socket_and_a_folder_are_not_waited_for(self, storage: Path) -> None:
        os.mkfifo(storage / TEAM / "pipe.csv")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(storage / TEAM / "socket"))
            for name in ("pipe.csv", "socket"):
                assert look(storage, reader.PREVIEW, name)[0] == Failed(failed="no file")
        assert look(storage, reader.PREVIEW)[0] == Failed(failed="no file")
        assert look(storage, reader.FOLDER, "pipe.csv")[0] == Failed(failed="no folder")
        assert look(storage, reader.PREVIEW, "nothing")[0] == Failed(failed="missing")

    def test_who_replaces_a_file_while_it_is_read_gains_nothing(self, storage: Path) -> None:
        (storage / TEAM / "a.txt").write_text("mine")
        found, rest = look(storage, reader.SAVE, "a.txt")
        assert (found, rest) == (Opened(type=None, bytes=4), b"mine")


class TestFolders:
    def test_pages_go_through_all_names_once_folders_first(self, storage: Path, monkeypatch: Any) -> None:
        monkeypatch.setattr(folders, "PAGE", 10)
        for number in range(25):
            (storage / TEAM / f"f{number:02}").touch()
        (storage / TEAM / "zz").mkdir()
        seen, after = [], None
        while True:
            page = look(storage, reader.FOLDER, after=after)[0]
            seen += [entry.name for entry in page.entries]
            after = page.next
            if after is None:
                break
        assert seen == ["zz", *(f"f{number:02}" for number in range(25))]

    def test_strange_names_are_shown_and_harmless(self, storage: Path) -> None:
        names = ["a\nb", "\u202egpj.exe", "'; drop", "<b>x", "..."]
        for name in names:
            (storage / TEAM / name).write_text("x")
        Path(os.fsdecode(os.fsencode(storage / TEAM) + b"/\xff\xfe")).write_text("x")
        entries = look(storage, reader.FOLDER)[0].entries
        assert sorted(entry.name for entry in entries if entry.kind == "file") == sorted(names)
        assert [entry.kind for entry in entries if "\ufffd" in entry.name] == ["other"]

    def test_what_takes_too_long_is_told_to_be_a_part(self, storage: Path, monkeypatch: Any) -> None:
        (storage / TEAM / "a").touch()
        monkeypatch.setattr(folders, "SECONDS", -1)
        assert not look(storage, reader.FOLDER)[0].complete


class TestTables:
    def test_csv_with_types(self, storage: Path) -> None:
        found = preview(storage, "a.csv", b'id;name;sum;day\n1;"a;b";1.5;2024-01-02\n2;;-2e3;2024-01-03\n')
        assert [(c.name, c.type) for c in found.columns] == [
            ("id", "integer"), ("name", "text"), ("sum", "number"), ("day", "time"),
        ]  # fmt: skip
        assert found.rows[1] == ["2", None, "-2e3", "2024-01-03"]
        assert not found.more

    def test_a_long_table_is_cut(self, storage: Path) -> None:
        found = preview(storage, "a.tsv", b"a\tb\n" + b"1\t2\n" * 200_000)
        assert (len(found.rows), found.more) == (tables.ROWS, True)

    def test_wide_and_long_cells_are_cut(self, storage: Path) -> None:
        found = preview(storage, "a.csv", (",".join(f"c{n}" for n in range(500)) + "\n" + "x" * 90_000).encode())
        assert (len(found.columns), found.columns_left_out) == (tables.COLUMNS, 500 - tables.COLUMNS)
        assert len(found.rows[0][0]) == tables.CELL

    def test_json_and_its_lines(self, storage: Path) -> None:
        whole = preview(storage, "a.json", b'[{"a": 1}, {"a": null, "b": {"c": [1]}}]')
        lined = preview(storage, "a.jsonl", b'{"a": 1}\n\n{"b": {"c": [1]}}\n')
        assert whole.rows == lined.rows == [["1", None], [None, '{"c": [1]}']]
        assert preview(storage, "b.json", b'{"a": 1}').kind == "text"
        assert preview(storage, "c.json", b"[" * 100_000).kind == "text"
        assert preview(storage, "d.json", b'[{"a": "\\ud800"}]').rows == [["?"]]

    def test_parquet(self, storage: Path) -> None:
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        table = pa.table({"id": list(range(1000)), "word": ["x" * 1000] * 1000, "none": pa.nulls(1000)})
        pq.write_table(table, storage / TEAM / "a.parquet")
        found = look(storage, reader.PREVIEW, "a.parquet")[0]
        assert [(c.name, c.type) for c in found.columns] == [("id", "int64"), ("word", "string"), ("none", "null")]
        assert (found.total_rows, len(found.rows), found.more) == (1000, tables.ROWS, True)
        assert found.rows[0][0] == "0"

    @pytest.mark.parametrize("footer", [b"", b"x" * 100, struct.pack("<I", 2**31 - 1), DEEP])
    def test_damaged_parquet_says_so(self, storage: Path, footer: bytes) -> None:
        found = preview(storage, "a.parquet", b"PAR1" + footer + b"PAR1")
        assert found.kind == "none"
        assert found.note


class TestOtherFiles:
    def test_text_is_cut_and_what_is_none_is_not_shown(self, storage: Path) -> None:
        found = preview(storage, "a.log", b"line\n" * 200_000)
        assert found.kind == "text"
        assert found.more
        assert preview(storage, "b.bin", b"\0\1\2" * 100).kind == "none"
        assert preview(storage, "c.txt", "größe".encode("utf-16")).text == "größe"
        assert preview(storage, "d.txt", b"\xff\xfe\xfa broken").kind == "text"

    def test_what_unpacks_to_gigabytes_costs_as_much_as_anything(self, storage: Path) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
        assert preview(storage, "a.csv.gz", bomb).kind == "none"
        assert preview(storage, "b.csv.gz", gzip.compress(b"a,b\n1,2\n")).rows == [["1", "2"]]
        assert preview(storage, "c.csv.gz", b"no gzip").kind == "none"

    def test_a_notebook_is_read_as_text(self, storage: Path) -> None:
        cells = [
            {"cell_type": "markdown", "source": ["# Hi"]},
            {"cell_type": "code", "source": "1+1", "outputs": [{"data": {"text/plain": ["2"]}}]},
        ]
        assert preview(storage, "a.ipynb", json.dumps({"cells": cells}).encode()).text == "# Hi\n\n[2] 1+1\n2"

    def test_pictures_by_their_bytes_and_too_large_ones_not(self, storage: Path) -> None:
        png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 10, 10)
        assert preview(storage, "a.txt", png).kind == "image"
        assert preview(storage, "b.png", png[:16] + struct.pack(">II", 100_000, 100_000)).kind == "none"
        assert preview(storage, "c.png", b"no picture").kind == "text"
        assert preview(storage, "d.svg", b"<svg/>").kind == "image"
        assert look(storage, reader.SHOW, "a.txt")[0].type == pictures.PNG
        assert look(storage, reader.SHOW, "c.png")[0] == Failed(failed="not shown")

    def test_a_page_is_opened_by_itself(self, storage: Path) -> None:
        assert preview(storage, "a.html", b"<p>hi").kind == "page"
        assert look(storage, reader.SHOW, "a.html") == (Opened(type=pictures.HTML, bytes=5), b"<p>hi")


class TestVersions:
    def manifest(self, version: str, **changed: Any) -> str:
        whole = {"format": 1, "team": TEAM, "asset": "news", "version": version, "sequence": 1, "created": "now"}
        whole |= {"rows": 3, "bytes": 5, "files": [{"path": "a.csv", "bytes": 5}], "schema": {"a": "int"}, "inputs": []}
        return json.dumps({**whole, **changed})

    def test_newest_first_and_only_what_describes_itself(self, storage: Path) -> None:
        folder = storage / TEAM / "published" / "news"
        for number, version in enumerate(("v1", "v2", "v3"), 1):
            (folder / version).mkdir(parents=True)
            (folder / version / "manifest.json").write_text(self.manifest(version, sequence=number))
        (folder / "v3" / "manifest.json").write_text(self.manifest("v9", sequence=9))
        (folder / "v4").symlink_to(storage / "blues")
        (folder / "CURRENT").write_text("v2\n")
        found = look(storage, reader.VERSIONS, "published", "news")[0]
        assert (found.current, [version.version for version in found.versions]) == ("v2", ["v2", "v1"])
        assert found.versions[0].columns[0].name == "a"

    def test_a_manifest_of_a_million_files_fits(self, storage: Path) -> None:
        folder = storage / TEAM / "published" / "news" / "v1"
        folder.mkdir(parents=True)
        files = [{"path": "x" * 900, "bytes": 1}] * 2000
        (folder / "manifest.json").write_text(self.manifest("v1", files=files, inputs=["y" * 5000] * 100))
        (version,) = look(storage, reader.VERSIONS, "published", "news")[0].versions
        assert version.files_left_out == 1900


class TestTheJudge:
    @pytest.mark.parametrize("body", NO_ANSWERS)
    def test_what_has_another_shape_is_no_answer(self, body: bytes) -> None:
        with pytest.raises(StrangeAnswerError):
            judged(body, Folder)

    def test_no_type_but_those_that_are_safe(self) -> None:
        for kind in ("text/javascript", "text/html;", "application/pdf", "image/svg+xml\r\nx: y"):
            with pytest.raises(StrangeAnswerError):
                judged(json.dumps({"type": kind, "bytes": 1}).encode(), Opened)

    @given(st.binary(max_size=200))
    def test_any_bytes_are_judged(self, body: bytes) -> None:
        with contextlib.suppress(StrangeAnswerError):
            judged(body, Preview)


class TestTablePlaces:
    @pytest.mark.parametrize("name", ["users", "a/b", 'we"ird\n', "ä" * 31, "..", "public.users"])
    def test_a_table_may_be_called_anything(self, name: str) -> None:
        assert TablePlace.read(f"tables/reds/{name}") == TablePlace("reds", name)

    @pytest.mark.parametrize("text", ["tables/reds", "tables/reds/", "files/reds/a", "tables/Reds/a", "tables/../a"])
    def test_anything_else_is_none(self, text: str) -> None:
        with pytest.raises(PlaceError):
            TablePlace.read(text)

    @pytest.mark.parametrize("name", ["ä" * 32, "x" * 64, "a\0b", "\ud800"])
    def test_a_name_that_the_server_would_cut_or_refuse_is_none(self, name: str) -> None:
        with pytest.raises(PlaceError):
            TablePlace.read(f"tables/reds/{name}")
