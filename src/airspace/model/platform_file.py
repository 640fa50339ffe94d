"""``platform.yaml`` as data: what holds for all team files of a folder. No I/O."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictInt, StrictStr, model_validator

from airspace.model import names
from airspace.model.endpoints import Network
from airspace.model.parts import Part as _Part
from airspace.model.parts import refuse as _refuse
from airspace.model.roles import Role
from airspace.model.team import (
    MOST_SLOTS,
    Limits,
    MemberName,
    RoleName,
    ShortName,
    Team,
    UserName,
)

MOST_IN_A_GROUP = 5_000
CONTACT_LENGTH = 500


def _group(value: str) -> str:
    if not names.is_group_name(f"@{value}"):
        raise _refuse(
            "bad-name", "this is no name of a group", f"in members a group is {names.GROUP_RULE}; here without @"
        )
    return value


def _contact(value: str) -> str:
    printable = all(character.isprintable() or character == "\n" for character in value)
    if not value.strip() or len(value) > CONTACT_LENGTH or not printable:
        raise _refuse("bad-text", "the contact is printable text", f"shorten it to {CONTACT_LENGTH} characters")
    return value


GroupName = Annotated[StrictStr, AfterValidator(_group)]


class Defaults(_Part):
    """What a team has when its file does not say it."""

    members: dict[MemberName, RoleName] = Field(default_factory=dict, description="added to each team's own")
    pools: dict[ShortName, Annotated[StrictInt, Field(ge=0, le=MOST_SLOTS)]] = Field(
        default_factory=dict, description="added to each team's own"
    )
    slots: Annotated[StrictInt, Field(ge=1, le=MOST_SLOTS)] | None = None
    limits: Limits = Field(default_factory=Limits, description="each of them by itself")
    network: Network | None = Field(default=None, description="in place of nothing; a file's own list stands alone")


class PlatformFile(_Part):
    """``platform.yaml``, beside the team files. Every key is optional."""

    contact: Annotated[StrictStr, AfterValidator(_contact)] | None = Field(
        default=None, description="whom a newcomer asks for a role: shown to everybody who signs in"
    )
    defaults: Defaults = Field(default_factory=Defaults)
    groups: dict[GroupName, Annotated[tuple[UserName, ...], Field(max_length=MOST_IN_A_GROUP)]] = Field(
        default_factory=dict, description='lists of users; in members: {"@name": role}'
    )

    @model_validator(mode="before")
    @classmethod
    def _no_nothing(cls, value: Any) -> Any:
        # "groups:" with nothing below it is what one writes before there is a group.
        return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value

    def expanded(self, members: dict[str, Role]) -> tuple[dict[str, Role], list[tuple[str, str]]]:
        """User → role with groups resolved, and what is wrong: the key and the reason.

        A user who is named is what the file says; one who comes by several groups must be the same in all of them.
        """
        found: dict[str, Role] = {}
        wrong: list[tuple[str, str]] = []
        for key, role in members.items():
            for user in self.groups.get(key[1:], ()) if key.startswith("@") else ():
                if found.setdefault(user, role) != role and user not in members:
                    wrong.append((key, f"{user} is {found[user]} by one group and {role} by another"))
            if key.startswith("@") and key[1:] not in self.groups:
                wrong.append((key, f"there is no group {key}"))
        return found | {user: role for user, role in members.items() if not user.startswith("@")}, wrong

    def completed(self, team: Team) -> Team:
        """The team with the defaults below its own keys. Groups are still groups."""
        update: dict[str, Any] = {
            "members": self.defaults.members | team.members,
            "pools": self.defaults.pools | team.pools,
        }
        if self.defaults.slots is not None and "slots" not in team.model_fields_set:
            update["slots"] = self.defaults.slots
        if self.defaults.network is not None and "network" not in team.model_fields_set:
            update["network"] = self.defaults.network
        own = {key: getattr(team.limits, key) for key in team.limits.model_fields_set}
        update["limits"] = self.defaults.limits.model_copy(update=own)
        return team.model_copy(update=update)


def json_schema() -> dict[str, Any]:
    """A JSON Schema of ``platform.yaml``, for editors."""
    schema = PlatformFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Airspace platform file"}
