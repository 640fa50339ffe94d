"""The platform's components as data: what runs, as whom, in which order, and how it is asked whether it is well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from airspace.backends import accounts
from airspace.backends.processes import Program
from airspace.model.limits import CodeLimits
from airspace.platform.control import PYTHON
from airspace.teams.ports import WORKER

POSTGRES = "postgres"


@dataclass(frozen=True)
class Component:
    """One long-running part.

    :param arguments: argv; ``control`` parts get the prefix that becomes the control user put in front
    :param control: runs as the control user; otherwise as the caller (root, when root started the platform)
    :param capabilities: what is left of root's rights to a part that is not ``control``
    :param health: the name under which the API server's health report speaks of it; ``api`` is the report itself
    """

    name: str
    arguments: tuple[str, ...]
    control: bool = True
    capabilities: tuple[str, ...] = accounts.FETCHER
    health: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_seconds: int = 15


def _airflow(name: str, health: str, *, stop_seconds: int = 15) -> Component:
    return Component(name, (PYTHON, "-m", "airspace.airflow.run", name), health=health, stop_seconds=stop_seconds)


COMPONENTS: tuple[Component, ...] = (
    Component("fetcher", (PYTHON, "-m", "airspace.platform.fetcher"), control=False),
    Component("puller", (PYTHON, "-m", "airspace.platform.puller")),
    # It has nothing to lose: what takes it seconds after the last answer is Python's own tidying up.
    _airflow("api-server", "api", stop_seconds=5),
    _airflow("scheduler", "scheduler"),
    _airflow("dag-processor", "dag_processor"),
    _airflow("triggerer", "triggerer"),
)


def spawner(isolation: str, limits: CodeLimits) -> Component:
    """What starts sandboxes; where there are none it needs nobody's rights. It is told the settings that it needs."""
    budget = (str(limits.warm_bytes), str(limits.warm_bytes_of_all))
    command = (PYTHON, "-m", "airspace.sandbox.spawner", isolation, *budget)
    return Component("spawner", command, control=isolation == "none", capabilities=accounts.SPAWNER)


def relay() -> Component:
    """What sandboxes' connections go through; where there are none, nothing has to."""
    return Component("relay", (PYTHON, "-m", "airspace.sandbox.relay"))


def keeper() -> Component:
    """What watches the teams' own database."""
    return Component("keeper", (PYTHON, "-m", "airspace.platform.keeper"))


@dataclass(frozen=True)
class Blueprint:
    """What makes a platform, as data: tests put small programs in the place of Airflow's.

    :param parts: the components beside the database
    :param sandboxes: whether teams' code runs, which takes a spawner
    :param admin: what Python is told to run for one-off work as the control user; it knows ``migrate``, ``add-user``
    """

    parts: tuple[Component, ...]
    sandboxes: bool = True
    admin: tuple[str, ...] = ("-m", WORKER)


def postgres(command: list[str]) -> Component:
    """The private database; its command already becomes the control user."""
    # SIGINT is PostgreSQL's fast shutdown: SIGTERM would wait for every client to leave.
    return Component(POSTGRES, tuple(command), stop_signal="INT", stop_seconds=30)


BLUEPRINT = Blueprint(COMPONENTS)


def parts(blueprint: Blueprint, isolation: str, limits: CodeLimits = CodeLimits()) -> tuple[Component, ...]:  # noqa: B008  # frozen
    """The components beside the database, in the order in which they are started."""
    made = (spawner(isolation, limits),) if blueprint.sandboxes else ()
    walls = (relay(),) if made and isolation != "none" else ()
    return (*made, *walls, *((keeper(),) if made else ()), *blueprint.parts)


def program(component: Component, prefix: tuple[str, ...], *, order: int) -> Program:
    """What the process manager is told of it."""
    return Program(
        name=component.name,
        command=(*prefix, *component.arguments),
        environment=component.environment,
        priority=order,
        start_seconds=10 if component.health else 2,
        stop_signal=component.stop_signal,
        stop_seconds=component.stop_seconds,
    )
