"""What a Dag says of whose it is. A wrong word keeps it from running; no word makes it another team's."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from airspace.airflow.parsing.refusals import Refusal, quoted

TEAM_TAG = "team:"


def refusals(tags: Collection[Any], team: str, place: str) -> Iterator[Refusal]:
    """A Dag with another team's tag lies in the wrong folder.

    The words are the same whether there is such a team or not: nobody learns by trying which teams there are.
    """
    for tag in tags:
        if isinstance(tag, str) and tag.startswith(TEAM_TAG) and tag != f"{TEAM_TAG}{team}":
            yield Refusal(
                "other-team",
                place,
                f"has the tag {quoted(tag)}, and this is the folder of the team {team}",
                "move the file to the folder of the team that it is for, or take the tag off",
            )
            return
