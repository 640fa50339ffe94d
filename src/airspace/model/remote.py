"""A remote: one repository at one branch, or one prefix of an object store, with what it is fetched with.

Teams with the same share one clone and one fetch; each gets its own folder of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

ID = re.compile(r"[0-9a-f]{24}")
_KEYS = ("url", "ref", "endpoint", "region", "host_key", "known_hosts")


@dataclass(frozen=True)
class Remote:
    """Where a bundle is fetched from, without anything secret: as ``sources.json`` has it.

    :param id: the same for the same place and credential; tells nothing of the credential
    :param place: ``url`` and what else says where; only what is set
    :param folder: the team's own folder in it; ``""`` is all
    :param every: seconds between two looks
    """

    id: str
    kind: str
    place: dict[str, str]
    folder: str
    every: int

    @property
    def shown(self) -> dict[str, Any]:
        """As ``team show`` and ``plan`` print it."""
        ref = self.place.get("ref", "")
        named = {
            "branch": ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None,
            "tag": ref.removeprefix("refs/tags/") if ref.startswith("refs/tags/") else None,
            "endpoint": self.place.get("endpoint"),
            "region": self.place.get("region"),
            "host_key": self.place.get("host_key"),
            "folder": self.folder or None,
        }
        found = {"url": self.place["url"], "every": self.every} | named
        return {key: value for key, value in found.items() if value is not None}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Remote:
        """The reverse.

        :raises ValueError: it is none
        """
        try:
            place = {key: str(document["place"][key]) for key in _KEYS if key in document["place"]}
            made = cls(
                str(document["id"]), str(document["kind"]), place, str(document["folder"]), int(document["every"])
            )
        except (KeyError, TypeError) as error:
            raise ValueError("no remote") from error
        if not ID.fullmatch(made.id) or "url" not in place or not 1 <= made.every <= 86_400:
            raise ValueError("no remote")
        return made
