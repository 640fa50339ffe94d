"""Attacks by connection tests. They are asked for over REST; here is their control, where a function can be it."""

from __future__ import annotations

from airspace.verify.inside.acts import act
from airspace.verify.inside.facts import Facts
from airspace.verify.inside.network import loopback as connect


@act("tests.victim")
def victim(_facts: Facts) -> str:
    """Of the victim's connection, by a lead of another team; the control is one of its own team."""
    raise AssertionError("a signed-in user does this: airspace.verify.elsewhere")


@act("tests.loopback")
def loopback(facts: Facts) -> str:
    """Of a connection of one's own that leads to the machine's loopback; the control connects to it."""
    return connect(facts)
