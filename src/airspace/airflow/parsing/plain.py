"""Is it plain data, of bearable size? Asked before anything of it is looked into; nothing in it is trusted."""

from __future__ import annotations

import math
from typing import Any

from airspace.airflow.parsing.refusals import Refusal
from airspace.model.limits import CodeLimits

LARGEST_INT = 2**53  # what every reader of JSON agrees on


def plain(data: Any, limits: CodeLimits) -> Refusal | None:
    """The first thing that keeps this from being plain JSON of bearable size; never recursive, so never too deep."""
    nodes = 0
    waiting: list[tuple[Any, int]] = [(data, 1)]
    while waiting:
        node, depth = waiting.pop()
        nodes += 1
        if nodes > limits.nodes:
            return _of_size("nodes", f"holds more than {limits.nodes} values", "split it into several Dags")
        if depth > limits.depth:
            return _of_size("depth", f"is nested deeper than {limits.depth} levels", "nest less")
        if type(node) is dict:
            for key, value in node.items():
                refusal = _leaf(key, limits) if type(key) is str else _not_plain("a key that is no text")
                if refusal is not None:
                    return refusal
                waiting.append((value, depth + 1))
        elif type(node) is list:
            waiting.extend((value, depth + 1) for value in node)
        elif (refusal := _leaf(node, limits)) is not None:
            return refusal
    return None


def _leaf(node: Any, limits: CodeLimits) -> Refusal | None:
    if node is None or type(node) is bool:
        return None
    if type(node) is str:
        if len(node) > limits.text_chars:
            return _of_size("text", f"holds a text of more than {limits.text_chars} characters", "keep it in a file")
        if "\0" in node:
            return _not_plain("a text with a NUL character, which no database stores")
        if not node.isascii() and any("\ud800" <= letter <= "\udfff" for letter in node):
            return _not_plain("a text with half a character (a lone surrogate)")
        return None
    if type(node) is int:
        return None if -LARGEST_INT <= node <= LARGEST_INT else _not_plain("a number beyond 2^53")
    if type(node) is float:
        return None if math.isfinite(node) else _not_plain("a number that is none (NaN or infinity)")
    return _not_plain(f"a value of the type {type(node).__name__}")


def _of_size(rule: str, message: str, fix: str) -> Refusal:
    return Refusal(f"size-{rule}", "A Dag of this file", message, fix)


def _not_plain(what: str) -> Refusal:
    return Refusal("not-json", "A Dag of this file", f"holds {what}", "use plain texts, numbers, lists and mappings")
