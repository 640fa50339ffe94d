"""Changing a team file as a person would: comments, order and spelling of everything else stay.

Text in, text out. What comes out is read again as a team file, and must say what was meant and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.util import load_yaml_guess_indent

from airspace.model.errors import InvalidInputError
from airspace.model.problem import Problem
from airspace.model.secret import is_reference
from airspace.teams.document import MAX_BYTES, Document
from airspace.teams.files import read_document

Content = MutableMapping[str, Any]
Path = tuple[str | int, ...]

_WIDE = 4096  # no line is folded that was not


@dataclass(frozen=True)
class Edit:
    """One thing to change.

    :param change: changes a mapping in place; it is called more than once
    :param drops: the path of the key that goes, if that is all
    """

    change: Callable[[Content], None]
    drops: tuple[str, str] | None = None


def written(team: Mapping[str, Any], heading: str) -> bytes:
    """A new file that says this."""
    stream = StringIO()
    _yaml().dump(dict(team), stream)
    return f"# {heading}\n{stream.getvalue()}".encode()


def edited(data: bytes, edit: Edit) -> bytes:
    """A file with one thing changed. The same bytes when that changes nothing.

    :raises InvalidInputError: this file is written so that a program cannot change just that
    """
    before = _document(data)
    wanted = json.loads(json.dumps(before.value))  # what an alias repeats becomes two things of their own
    edit.change(wanted)
    if wanted == before.value:
        return data
    for text in _attempts(data.decode("utf-8-sig"), before, wanted, edit):
        after = text.encode()
        if len(after) > MAX_BYTES:
            raise InvalidInputError("the team file would become too large", fix="keep data elsewhere")
        with suppress(InvalidInputError):
            if _document(after).value == wanted:
                return after
    raise InvalidInputError(
        "the team file is written so that a program cannot change just this", fix="edit it by hand, then apply it"
    )


def set_member(user: str, role: str) -> Edit:
    """Give a user a role."""

    return Edit(lambda content: _section(content, "members").update({user: role}))


def drop_member(user: str) -> Edit:
    """Take a user's role."""
    return dropped("members", user)


def adopted(resource: str, fields: Mapping[str, Any]) -> Edit:
    """What is there, put into the file: the fields of one resource, or nothing of it when there are none."""
    kind, _, name = resource.partition(" ")
    if kind == "team":
        return Edit(lambda content: content.update(fields))
    if not fields:
        return dropped(f"{kind}s", name)
    return {"member": _member, "pool": _pool, "connection": _connection, "variable": _variable}[kind](name, fields)


def _member(name: str, fields: Mapping[str, Any]) -> Edit:
    return set_member(name, fields["role"])


def _pool(name: str, fields: Mapping[str, Any]) -> Edit:
    return Edit(lambda content: _section(content, "pools").update({name: fields["slots"]}))


def _connection(name: str, fields: Mapping[str, Any]) -> Edit:
    def change(content: Content) -> None:
        item = _section(content, "connections")[name]
        for key, value in fields.items():
            if value is None or value == "":
                item.pop(key, None)
            else:
                item[key] = value

    return Edit(change)


def _variable(name: str, fields: Mapping[str, Any]) -> Edit:
    def change(content: Content) -> None:
        section = _section(content, "variables")
        section[name] = _as_written(fields["value"], section.get(name))

    return Edit(change)


def _as_written(text: str, before: Any) -> Any:
    """A stored variable as the file would say it. Text stays text: it must not turn into a reference."""
    if isinstance(before, str):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, str) or value is None or is_reference(value) else value


def dropped(section: str, name: str) -> Edit:
    """Take one thing out of a section."""
    return Edit(lambda content: _section(content, section).pop(name, None), drops=(section, name))


def _section(content: Content, name: str) -> Content:
    if content.get(name) is None:
        content[name] = {}
    section: Content = content[name]
    return section


def _document(data: bytes) -> Document:
    problems: list[Problem] = []
    document = read_document("", data, problems)
    if document is None or problems or not isinstance(document.value, dict):
        raise InvalidInputError("this is not the YAML of one team", fix="airspace apply tells what is wrong")
    return document


def _attempts(text: str, before: Document, wanted: Any, edit: Edit) -> Iterator[str]:
    """Ways to write the change, the gentlest first: not each of them means the right thing for every file."""
    if edit.drops:
        yield from _without_line(text, before, edit.drops)
    elif words := list(_other_words(before.value, wanted, ())):
        yield from _in_their_places(text, before, words)
    with suppress(YAMLError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        yield _round_trip(text, edit)


def _without_line(text: str, before: Document, path: tuple[str, str]) -> Iterator[str]:
    """The text without the line of a key: so the comments around it stay."""
    lines = text.splitlines(keepends=True)
    line, header = before.place(path, key=True)[0] - 1, before.place(path[:1], key=True)[0] - 1
    if line == header or line >= len(lines):
        return
    rest = [*lines[:line], *lines[line + 1 :]]
    yield "".join(rest)
    rest[header] = re.sub(r":(?=\s)", ": {}", rest[header], count=1)
    yield "".join(rest)


def _other_words(before: Any, wanted: Any, path: Path) -> Iterator[tuple[Path, str, str]]:
    """Where a text stands for which there is to be another one: its path, and both."""
    if isinstance(before, str) and isinstance(wanted, str) and before != wanted:
        yield path, before, wanted
    elif isinstance(before, dict) and isinstance(wanted, dict):
        for key in before.keys() & wanted.keys():
            yield from _other_words(before[key], wanted[key], (*path, key))
    elif isinstance(before, list) and isinstance(wanted, list):
        for place, (one, other) in enumerate(zip(before, wanted, strict=False)):
            yield from _other_words(one, other, (*path, place))


def _in_their_places(text: str, before: Document, words: list[tuple[Path, str, str]]) -> Iterator[str]:
    """The text with other words where these stand, the last one first: so whatever is around them stays."""
    lines = text.splitlines(keepends=True)
    for (line, column), old, new in sorted(((before.place(path), old, new) for path, old, new in words), reverse=True):
        if not 1 <= line <= len(lines):
            return
        head, rest = lines[line - 1][: column - 1], lines[line - 1][column - 1 :]
        quote = rest[:1] if rest[:1] in ("'", '"') else ""
        if not rest[len(quote) :].startswith(old):
            return
        lines[line - 1] = head + quote + new + rest[len(quote) + len(old) :]
    yield "".join(lines)


def _round_trip(text: str, edit: Edit) -> str:
    _, indent, offset = load_yaml_guess_indent(StringIO(text), yaml=YAML(typ="safe", pure=True))
    nested = re.search(r"^( +)[^\s#-]", text, re.MULTILINE)
    yaml = _yaml()
    yaml.indent(mapping=len(nested[1]) if nested else 2, sequence=indent or 2, offset=offset or 0)
    yaml.explicit_start = text.startswith("---")
    content = yaml.load(text)
    edit.change(content)
    stream = StringIO()
    yaml.dump(content, stream)
    result = stream.getvalue()
    return result.replace("\n", "\r\n") if "\r\n" in text and "\r" not in result else result


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = _WIDE
    yaml.default_flow_style = False
    return yaml
