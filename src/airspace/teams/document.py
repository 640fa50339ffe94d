"""One YAML file as plain values with the place of every key, within limits that keep a hostile file harmless.

Built from the parser's events, so nothing recursive and nothing exponential ever runs: depth, size and what aliases
expand to are counted before anything is made of them. Tags that would construct objects are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, NoReturn

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24
MAX_NODES = 20_000
MAX_DUPLICATES = 100
MAX_DIGITS = 1_000

Path = tuple[Any, ...]
Report = Callable[[int, int, str, str, str, str], None]
"""line, column, key, rule, message, fix"""

_LIBYAML = getattr(yaml, "CSafeLoader", None)
_TEXT = "tag:yaml.org,2002:str"
_TEXT_TAGS = ("str", "timestamp", "merge", "value")


@dataclass
class Document:
    """The values of one file and where they stand: line and column, counted from 1."""

    value: Any = None
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def place(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """The place of a key or a value, or of the nearest thing around it that has one."""
        first, second = (self.keys, self.values) if key else (self.values, self.keys)
        for length in range(len(path), 0, -1):
            at = first.get(path[:length]) or second.get(path[:length])
            if at:
                return at
        return self.values.get((), (1, 1))


class _StopReadingError(Exception):
    """The rest of the file is not worth reading; the reason was reported."""


@dataclass
class _Frame:
    """A mapping or a list being filled."""

    container: dict[str, Any] | list[Any]
    path: Path
    anchor: str | None
    at: tuple[int, int]
    size: int = 1
    key: str | None = None
    skip: bool = False


class _Builder:
    """Turns events into a :class:`Document`, reporting what is wrong on the way."""

    def __init__(self, report: Report, resolve: Callable[[str, tuple[bool, bool]], str]) -> None:
        self.document = Document()
        self._report = report
        self._resolve = resolve
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._documents = 0
        self._duplicates = 0

    def feed(self, event: Any) -> None:
        """Take the next event of the parser."""
        at = (event.start_mark.line + 1, event.start_mark.column + 1)
        kind = type(event).__name__.removesuffix("Event")  # two parsers, whose events have the same names
        if kind == "Scalar":
            self._scalar(event, at)
        elif kind == "DocumentStart":
            self._documents += 1
            if self._documents > 1:
                self._stop(at, "many-documents", "the file holds more than one document", "one team a file")
        elif kind == "Alias":
            self._alias(event.anchor, at)
        elif kind in ("MappingStart", "SequenceStart"):
            self._open(event, {} if kind == "MappingStart" else [], at)
        elif kind in ("MappingEnd", "SequenceEnd"):
            frame = self._stack.pop()
            self._put(frame.container, frame.size, frame.anchor, frame.at)
        elif kind == "DocumentEnd" and self._documents == 1:
            self._stack.clear()

    def _open(self, event: Any, container: dict[str, Any] | list[Any], at: tuple[int, int]) -> None:
        self._count(1, at)
        if len(self._stack) >= MAX_DEPTH:
            self._stop(at, "too-deep", f"nested deeper than {MAX_DEPTH} levels", "flatten it")
        if self._expects_key():
            self._stop(at, "bad-key", "a key is one word, not a list or a mapping", "write key: value")
        if event.tag and not event.implicit and event.tag.rpartition(":")[2] not in ("map", "seq"):
            self._tag(event.tag, at)
        self._stack.append(_Frame(container, self._path(), event.anchor, at))

    def _scalar(self, event: Any, at: tuple[int, int]) -> None:
        self._count(1, at)
        value = self._construct(event, at)
        if self._expects_key():
            self._key(value, at)
        else:
            self._put(value, 1, event.anchor, at)

    def _key(self, value: Any, at: tuple[int, int]) -> None:
        frame = self._stack[-1]
        assert isinstance(frame.container, dict)  # noqa: S101 - _expects_key said so; tells mypy
        key = value if isinstance(value, str) else str(value)
        if not isinstance(value, str):
            self._report(*at, key[:80], "bad-key", "a key is text", "put it in quotes")
        path = (*frame.path, key)
        frame.key, frame.skip = key, key in frame.container
        if not frame.skip:
            self.document.keys[path] = at
            return
        self._duplicates += 1
        if self._duplicates > MAX_DUPLICATES:
            self._stop(at, "duplicate-key", "too many duplicate keys", "keep one of each")
        line = self.document.keys[path][0]
        dotted = ".".join(str(part) for part in path)
        self._report(*at, dotted, "duplicate-key", f"{key} is already given in line {line}", "keep one of the two")

    def _alias(self, anchor: str, at: tuple[int, int]) -> None:
        if self._expects_key():
            self._stop(at, "bad-key", "a key cannot be an alias", "write the key out")
        if anchor not in self._anchors:
            self._stop(at, "bad-alias", "this alias refers to nothing complete", "write the value out")
        value, size = self._anchors[anchor]
        self._count(size, at)
        self._put(value, size, None, at)

    def _put(self, value: Any, size: int, anchor: str | None, at: tuple[int, int]) -> None:
        if anchor:
            self._anchors[anchor] = (value, size)
        if not self._stack:
            self.document.value = value
            self.document.values[()] = at
            return
        frame = self._stack[-1]
        frame.size += size
        if not frame.skip:
            self.document.values[self._path()] = at
        if isinstance(frame.container, list):
            frame.container.append(value)
            return
        assert frame.key is not None  # noqa: S101 - the parser gives a key before each value; tells mypy
        if not frame.skip:
            frame.container[frame.key] = value
        frame.key, frame.skip = None, False

    def _construct(self, event: Any, at: tuple[int, int]) -> Any:
        tag = str(event.tag or self._resolve(event.value, event.implicit))
        if tag == _TEXT:
            return self._text(event.value, at)
        kind = tag.rpartition(":")[2]
        if not tag.startswith("tag:yaml.org,2002:") and tag != "!":
            self._tag(tag, at)
        if tag == "!" or kind in _TEXT_TAGS:
            return self._text(event.value, at)
        try:
            return _SCALARS[kind](event.value)
        except KeyError:
            self._tag(str(tag), at)
        except ValueError:
            self._stop(at, "bad-value", f"this is no {kind}", "put it in quotes")

    def _text(self, text: str, at: tuple[int, int]) -> str:
        """The text, the two halves that JSON escapes one character as put together."""
        if text.isascii():
            return text
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._report(*at, "", "bad-text", "half a character: a surrogate on its own", "write the character itself")
            return text.encode(errors="replace").decode()

    def _path(self) -> Path:
        if not self._stack:
            return ()
        frame = self._stack[-1]
        return (*frame.path, len(frame.container) if isinstance(frame.container, list) else frame.key)

    def _expects_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].container, dict) and self._stack[-1].key is None

    def _count(self, nodes: int, at: tuple[int, int]) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._stop(
                at, "too-big", f"more than {MAX_NODES} values, aliases expanded", "split it or keep data elsewhere"
            )

    def _tag(self, tag: str, at: tuple[int, int]) -> NoReturn:
        self._stop(at, "tag", f"the tag {tag[:80]} is not allowed", "write plain YAML")

    def _stop(self, at: tuple[int, int], rule: str, message: str, fix: str) -> NoReturn:
        self._report(*at, ".".join(str(part) for part in self._path()), rule, message, fix)
        raise _StopReadingError


def _integer(text: str) -> int:
    plain = text.replace("_", "")
    if len(plain) > MAX_DIGITS:  # Python itself limits decimal ones only, and fails when it writes the others
        raise ValueError("too many digits")
    try:
        return int(plain, 10)
    except ValueError:
        return int(plain, 0)


def _float(text: str) -> float:
    plain = text.replace("_", "").lower()
    return float(plain.replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() in ("true", "yes", "on"),
    "int": _integer,
    "float": _float,
}


def parse(data: bytes, report: Report) -> Document | None:
    """The document in ``data``, or None when it cannot be read at all; either way every problem went to ``report``."""
    if len(data) > MAX_BYTES:
        report(1, 1, "", "too-big", f"larger than {MAX_BYTES // 1024} KiB", "keep data elsewhere")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        report(line, column, "", "not-utf8", "this is not UTF-8", "save the file as UTF-8")
        return None
    return _read_quickly(text) or _read(text, report)


def _read_quickly(text: str) -> Document | None:
    """The document as libyaml reads it, in a tenth of the time; None where anything at all is wrong with it."""
    problems: list[Any] = []
    if _LIBYAML is None:
        return None
    try:
        document = _built(yaml.parse(text, Loader=_LIBYAML), lambda *problem: problems.append(problem))
    except (_StopReadingError, yaml.YAMLError, ValueError):
        return None
    return None if problems else document


def _read(text: str, report: Report) -> Document | None:
    """The document, with every problem and its place."""
    try:
        return _built(YAML(typ="safe", pure=True).parse(text), report)
    except _StopReadingError:
        return None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        report(line, column, "", "yaml", f"not valid YAML: {error.problem or error.context}", "correct the YAML here")
        return None
    except (YAMLError, ValueError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else "unreadable"
        before = text[: max(getattr(error, "position", 0), 0)]  # of a character that no YAML holds
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        report(line, column, "", "yaml", f"not valid YAML: {reason}", "correct the YAML")
        return None


def _built(events: Iterable[Any], report: Report) -> Document:
    builder = _Builder(report, _tag_of)
    for event in events:
        builder.feed(event)
    return builder.document


@cache
def _resolver() -> Any:
    return YAML(typ="safe", pure=True).resolver  # of YAML 1.2, in which `no` is a word


@lru_cache(8192)  # the same keys and words in every file
def _tag_of(value: str, implicit: tuple[bool, bool]) -> str:
    return str(_resolver().resolve(ScalarNode, value, implicit))
