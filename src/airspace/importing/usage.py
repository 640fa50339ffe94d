"""Which connections, variables and pools a Dag file names, and which modules it imports. It is read, never run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

MOST_NAMES = 5_000

_CONNECTION_KEY = re.compile(r"conn(?:ection)?(?:_?id)?$", re.IGNORECASE)
_VARIABLE_CALLS = frozenset({"get", "set", "update", "delete", "setdefault"})
_IN_TEMPLATE = re.compile(
    r"\bconn\.(?P<conn>\w+)|\bconn\.get\(\s*['\"](?P<conn_get>[^'\"]{1,250})"
    r"|\bvar\.(?:value|json)\.(?:get\(\s*['\"](?P<var_get>[^'\"]{1,250})|(?P<var>\w+))"
)


@dataclass
class Use:
    """What some code names."""

    connections: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    pools: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    unread: bool = False

    def add(self, other: Use) -> None:
        """Take in what other code of the same team names."""
        self.connections |= other.connections
        self.variables |= other.variables
        self.pools |= other.pools
        self.modules |= other.modules
        self.unread |= other.unread


def used_by(sources: Iterable[str]) -> Use:
    """What these files name, together."""
    found = Use()
    for source in sources:
        found.add(used_in(source))
    return found


def used_in(source: str) -> Use:
    """What one file names; ``unread`` where it is no Python that this interpreter can read."""
    found = Use()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a stranger's code: its style is not ours to tell
            tree = ast.parse(source)
        for node in ast.walk(tree):
            _look(node, found)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        found.unread = True
    return found


def _look(node: ast.AST, found: Use) -> None:
    if sum(map(len, (found.connections, found.variables, found.pools, found.modules))) > MOST_NAMES:
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        _template(node.value, found)
    elif isinstance(node, ast.Call):
        _call(node, found)
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        _module(node, found)
    else:
        for name, value in _named_values(node):
            _named(name, value, found)


def _named_values(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """``name = value``, however it is written: keyword, dictionary, assignment, default."""
    if isinstance(node, ast.keyword) and node.arg:
        yield node.arg, node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, (ast.Name, ast.Attribute)):
                yield target.id if isinstance(target, ast.Name) else target.attr, node.value
    elif isinstance(node, ast.arguments):
        given = [*node.posonlyargs, *node.args]
        if node.defaults:
            yield from ((a.arg, d) for a, d in zip(given[-len(node.defaults) :], node.defaults, strict=True))
        yield from ((a.arg, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True))


def _named(name: str, value: ast.expr | None, found: Use) -> None:
    text = _text(value)
    if text is None:
        return
    if _CONNECTION_KEY.search(name):
        found.connections.add(text)
    elif name == "pool" or name.upper() == "POOL" or name.lower().endswith("_pool"):
        found.pools.add(text)


def _call(node: ast.Call, found: Use) -> None:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    first = _text(node.args[0]) if node.args else None
    if isinstance(function, ast.Attribute) and name in _VARIABLE_CALLS and _is_variable(function.value):
        key = first or next((_text(each.value) for each in node.keywords if each.arg == "key"), None)
        if key is not None:
            found.variables.add(key)
    elif first is not None and (name in ("get_connection", "get_connections") or name.endswith("Hook")):
        found.connections.add(first)


def _is_variable(owner: ast.expr) -> bool:
    return (isinstance(owner, ast.Name) and owner.id == "Variable") or (
        isinstance(owner, ast.Attribute) and owner.attr == "Variable"
    )


def _template(text: str, found: Use) -> None:
    if "{" not in text or len(text) > 100_000:
        return
    for match in _IN_TEMPLATE.finditer(text):
        if name := match["conn"] or match["conn_get"]:
            found.connections.add(name)
        elif (name := match["var"] or match["var_get"]) and name != "get":
            found.variables.add(name)


def _module(node: ast.Import | ast.ImportFrom, found: Use) -> None:
    if isinstance(node, ast.Import):
        found.modules.update(each.name for each in node.names)
    elif node.level == 0 and node.module:
        found.modules.add(node.module)
        found.modules.update(f"{node.module}.{each.name}" for each in node.names)


def _text(value: ast.expr | None) -> str | None:
    if isinstance(value, ast.Constant) and isinstance(value.value, str) and 0 < len(value.value) <= 250:
        return value.value
    return None
