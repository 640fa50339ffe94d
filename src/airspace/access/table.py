"""The role table: which role is needed in a team to do what. Data only; ``docs/roles.md`` is generated from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from airspace.model.roles import Role


class Kind(str, Enum):
    """Everything that somebody may want to see or change."""

    DAG = "dag"
    CODE = "code"
    RUN = "run"
    TASK = "task"
    TASK_INSTANCE = "task instance"
    LOG = "log"
    XCOM = "xcom"
    WARNING = "warning"
    HITL = "human-in-the-loop"
    BACKFILL = "backfill"
    ASSET = "asset"
    ASSET_EVENT = "asset event"
    ASSET_ALIAS = "asset alias"
    ARTIFACT = "artifact"
    IMPORT_ERROR = "import error"
    EVENT_LOG = "event log"
    POOL = "pool"
    CONNECTION = "connection"
    VARIABLE = "variable"
    TEAM = "team"
    MEMBER = "member"
    # What belongs to the platform and to no team:
    PAGE = "page"
    CONFIGURATION = "configuration"
    JOB = "job"
    PROVIDER = "provider"
    CUSTOM_VIEW = "custom view"

    def __str__(self) -> str:
        return self.value


class Action(str, Enum):
    """Everything that somebody may want to do."""

    READ = "read"
    TRIGGER = "trigger"
    PAUSE = "pause"
    CHANGE = "clear or mark"
    ANSWER = "answer"
    POST = "post"
    WRITE = "write"
    DELETE = "delete"
    TEST = "test"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Line:
    """One line of the role table: from ``role`` on, a member may do these things in the team."""

    role: Role
    text: str
    grants: frozenset[tuple[Kind, Action]]


def _each(action: Action, *kinds: Kind) -> frozenset[tuple[Kind, Action]]:
    return frozenset((kind, action) for kind in kinds)


ROLE_TABLE: tuple[Line, ...] = (
    Line(
        Role.VIEWER,
        "see Dags, code, runs, logs, XCom, assets, artifacts, import errors, pools",
        _each(
            Action.READ,
            Kind.DAG,
            Kind.CODE,
            Kind.RUN,
            Kind.TASK,
            Kind.TASK_INSTANCE,
            Kind.LOG,
            Kind.XCOM,
            Kind.WARNING,
            Kind.HITL,
            Kind.BACKFILL,
            Kind.ASSET,
            Kind.ASSET_EVENT,
            Kind.ASSET_ALIAS,
            Kind.ARTIFACT,
            Kind.IMPORT_ERROR,
            Kind.EVENT_LOG,
            Kind.POOL,
            Kind.TEAM,
        ),
    ),
    Line(
        Role.OPERATOR,
        "trigger, pause, clear, mark, backfill, answer human-in-the-loop, post events on own assets",
        frozenset(
            {
                (Kind.RUN, Action.TRIGGER),
                (Kind.RUN, Action.CHANGE),
                (Kind.DAG, Action.PAUSE),
                (Kind.TASK_INSTANCE, Action.CHANGE),
                (Kind.BACKFILL, Action.TRIGGER),
                (Kind.BACKFILL, Action.CHANGE),
                (Kind.HITL, Action.ANSWER),
                (Kind.ASSET, Action.POST),
            }
        ),
    ),
    Line(
        Role.AUTHOR,
        "read and write variables, edit XCom, see connections without their secrets, delete runs",
        frozenset(
            {
                (Kind.VARIABLE, Action.READ),
                (Kind.VARIABLE, Action.WRITE),
                (Kind.VARIABLE, Action.DELETE),
                (Kind.XCOM, Action.WRITE),
                (Kind.XCOM, Action.DELETE),
                (Kind.CONNECTION, Action.READ),
                (Kind.RUN, Action.DELETE),
                (Kind.TASK_INSTANCE, Action.DELETE),
                (Kind.ASSET, Action.WRITE),
                (Kind.ASSET, Action.DELETE),
            }
        ),
    ),
    Line(
        Role.LEAD,
        "write connections and pools, test connections, members, delete Dags",
        frozenset(
            {
                (Kind.CONNECTION, Action.WRITE),
                (Kind.CONNECTION, Action.DELETE),
                (Kind.CONNECTION, Action.TEST),
                (Kind.POOL, Action.WRITE),
                (Kind.POOL, Action.DELETE),
                (Kind.MEMBER, Action.READ),
                (Kind.MEMBER, Action.WRITE),
                (Kind.MEMBER, Action.DELETE),
                (Kind.DAG, Action.DELETE),
            }
        ),
    ),
)

NEEDED: Mapping[tuple[Kind, Action], Role] = MappingProxyType(
    {grant: line.role for line in reversed(ROLE_TABLE) for grant in line.grants}
)
"""The lowest role that may do this in a team. What is missing here, no role in a team allows."""
