"""Attacks through the page of artifacts: a member of another team makes them over REST, as their control is made."""

from __future__ import annotations

from airspace.verify.inside.acts import act
from airspace.verify.inside.facts import Facts


@act("viewings.foreign")
def foreign(_facts: Facts) -> str:
    """The victim's file, by its address."""
    raise AssertionError("a signed-in user does this: airspace.verify.elsewhere")


@act("viewings.link")
def link(_facts: Facts) -> str:
    """The same, through a link in the attacker's own storage; the control is shown it without one."""
    raise AssertionError("a signed-in user does this: airspace.verify.elsewhere")


@act("viewings.table")
def table(_facts: Facts) -> str:
    """The victim's table of the warehouse, through either team."""
    raise AssertionError("a signed-in user does this: airspace.verify.elsewhere")
