"""What another Airflow holds, as far as team files can say it. Pure data, made by the readers in the back-ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STANDARD_ROLES = frozenset({"Admin", "Op", "User", "Viewer", "Public"})
"""The roles that every Airflow with FAB has: none of them is a team's."""

DAGS_FOLDER = "dags-folder"
"""What Airflow 3 calls the bundle of a deployment that knows of no bundles."""


@dataclass(frozen=True)
class OldDag:
    """One Dag.

    :param file: its file as the deployment names it, absolute where known
    :param path: the same inside the Dag folder, where the deployment tells
    :param bundle: Airflow 3's bundle; ``team`` is set where that deployment has teams itself
    :param source: the text of the file, where the deployment keeps it
    """

    dag_id: str
    file: str = ""
    path: str | None = None
    bundle: str | None = None
    team: str | None = None
    owners: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    paused: bool = True
    source: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class OldConnection:
    """One connection. ``password`` and ``extra`` are None where there is none.

    :param hidden: the fields that are set, or may be, and could not be read
    """

    name: str
    type: str = ""
    host: str | None = None
    port: int | None = None
    login: str | None = None
    schema: str | None = None
    password: str | None = field(default=None, repr=False)
    extra: str | None = field(default=None, repr=False)
    description: str | None = None
    team: str | None = None
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True)
class OldVariable:
    """One variable; its value is None where it could not be read."""

    name: str
    value: str | None = field(default=None, repr=False)
    team: str | None = None


@dataclass(frozen=True)
class OldPool:
    """One pool; -1 slots are as many as one likes."""

    name: str
    slots: int
    team: str | None = None


@dataclass(frozen=True)
class OldUser:
    """Somebody with roles."""

    name: str
    roles: tuple[str, ...] = ()
    active: bool = True


Permission = tuple[str, str]
"""Action and resource as FAB says them: ``("can_edit", "DAG:sales")``."""


@dataclass(frozen=True)
class Deployment:
    """All of it.

    :param roles: FAB role → what it may do
    :param notes: what could not be read, in words
    """

    version: str = ""
    dags: tuple[OldDag, ...] = ()
    connections: tuple[OldConnection, ...] = ()
    variables: tuple[OldVariable, ...] = ()
    pools: tuple[OldPool, ...] = ()
    users: tuple[OldUser, ...] = ()
    roles: Mapping[str, frozenset[Permission]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
