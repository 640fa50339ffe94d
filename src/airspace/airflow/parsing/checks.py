"""May this Dag be stored? Decisions over plain JSON: nothing here asks a database or builds an object.

``judge`` is given one serialized Dag and what the platform knows; it answers with everything that is wrong with it.
What a Dag may not decide and need not be told about, ``results.settle`` overwrites.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airspace.airflow.parsing import belonging, deadlines
from airspace.airflow.parsing.asset_claims import Claims, Use
from airspace.airflow.parsing.expansions import instances
from airspace.airflow.parsing.refusals import Refusal, quoted
from airspace.airflow.parsing.serialized import ASSETS, assets_in, setting, settings_of, tag, tasks_of
from airspace.airflow.parsing.shape import Known, Shape
from airspace.model.limits import CodeLimits

DEFAULT_POOL = "default_pool"
DEFAULT_QUEUE = "default"
NAME = re.compile(r"[\w.-]{1,250}")
_INT32 = 2**31 - 1
_UNITS = ("years", "months", "days", "hours", "minutes", "seconds")
_SAFE_LINK = re.compile(r"(?:https?://|mailto:)[^\s\"'<>]+", re.IGNORECASE)


@dataclass(frozen=True)
class Parsed:
    """A file of a team, and what the platform knows that the file may not decide.

    :param file: the file's absolute path
    :param rel_path: the same within the bundle
    :param taken: Dag ids that belong to other bundles
    :param pools: pools that tasks of this team may name, by both their names, with their slots
    :param slots: tasks of the team that may run at once
    :param other_dags: how many Dags the team has in other files
    :param teams: every team, where a Dag id must begin with its own team's name
    :param claims: whose the assets are, and with whom they are shared
    """

    team: str
    file: Path
    rel_path: str
    taken: frozenset[str] = frozenset()
    pools: Mapping[str, int] = field(default_factory=dict)
    slots: int = 1
    other_dags: int = 0
    teams: frozenset[str] | None = None
    claims: Claims = field(default_factory=Claims)


def judge(data: Any, known: Known, limits: CodeLimits, parsed: Parsed) -> list[Refusal]:
    """Everything that is wrong with one serialized Dag. Coarse things first: the finer ones rely on them.

    :param data: plain JSON: ``plain`` has nothing against it
    """
    dag = data.get("dag") if isinstance(data, dict) else None
    if not isinstance(dag, dict) or data.get("__version") != known.version or set(data) - _ENVELOPE:
        return [Refusal("shape", "A Dag of this file", "is not one that this Airflow serialized", "use Airflow's API")]
    if data.get("client_defaults", known.defaults) != known.defaults:
        return [
            Refusal("defaults", "A Dag of this file", "changes every task's defaults", "set them in `default_args`")
        ]
    found = list(Shape(known, limits, dag).refusals())
    return found or list(_Values(known, limits, parsed, dag).refusals())


_ENVELOPE = {"__version", "dag", "client_defaults"}


@dataclass(frozen=True)
class _Values:
    """The checks of what a well-formed Dag asks for."""

    known: Known
    limits: CodeLimits
    parsed: Parsed
    dag: Mapping[str, Any]

    def refusals(self) -> Iterator[Refusal]:
        """Everything that this Dag may not have."""
        yield from self._identity()
        yield from self._dag_fields()
        yield from self._size()
        for task in tasks_of(self.dag):
            yield from self._task(task)
        yield from self._assets()

    @property
    def _shape(self) -> Shape:
        return Shape(self.known, self.limits, self.dag)

    def _identity(self) -> Iterator[Refusal]:
        dag_id, team, place = self.dag["dag_id"], self.parsed.team, self._shape.place()
        if not NAME.fullmatch(dag_id):
            yield Refusal("dag-id", place, "has an id that is none", "use up to 250 letters, digits, dots, dashes, _")
        elif dag_id in self.parsed.taken:
            yield Refusal(
                "dag-id-taken",
                f"The Dag id {dag_id!r}",
                "is already in use on this platform, and belongs to who used it first",
                f"choose another one, for example {f'{team}_{dag_id}'!r}",
            )
        elif self.parsed.teams is not None and prefixing(dag_id, self.parsed.teams) != team:
            yield Refusal(
                "dag-id-prefix",
                f"The Dag id {dag_id!r}",
                "does not begin with its team's name, which this platform requires",
                f"call it {f'{team}_{dag_id}'!r}",
            )
        if self.parsed.other_dags >= self.limits.dags_per_team:
            yield Refusal(
                "many-dags",
                place,
                f"is one too many: team {team} has {self.limits.dags_per_team} Dags",
                "remove one, or ask the platform's administrator to raise `dags_per_team`",
            )

    def _dag_fields(self) -> Iterator[Refusal]:
        dag, place = self.dag, self._shape.place()
        yield from deadlines.refusals(dag.get("deadline"), place)
        tags, links = dag.get("tags") or [], dag.get("owner_links") or {}
        if len(tags) > 100 or not all(isinstance(tag, str) and 0 < len(tag) <= 100 for tag in tags):
            yield Refusal("tags", place, "has tags that are none, or too many", "use up to 100 of up to 100 characters")
        yield from belonging.refusals(tags, self.parsed.team, place)
        for owner, link in links.items():
            good = isinstance(link, str) and _SAFE_LINK.fullmatch(link)
            if not good or max(len(owner), len(str(link))) > 500:
                yield Refusal("owner-links", place, "links an owner to no web address", "use https://... or mailto:...")
        owners = {owner for task in tasks_of(dag) if (owner := setting(task, "owner", "airflow"))}
        if len(", ".join(owners)) > 2000 or len(str(dag.get("dag_display_name", ""))) > 2000:
            yield Refusal("names", place, "has owners or a title of more than 2000 characters", "shorten them")
        for name, least in (("max_active_runs", 0), ("max_active_tasks", 1), ("max_consecutive_failed_dag_runs", 0)):
            if not _whole(dag.get(name, 1), least, _INT32):
                yield Refusal(
                    "number", place, f"has a `{name}` that is no whole number", f"give it one, {least} or more"
                )
        yield from self._pace(place)

    def _pace(self, place: str) -> Iterator[Refusal]:
        """A schedule without a pause would keep the scheduler counting for ever."""
        waiting = [self.dag["timetable"]]
        while waiting:
            node = waiting.pop()
            if isinstance(node, list):
                waiting.extend(node)
            elif isinstance(node, dict) and tag(node) not in ASSETS:
                if "delta" in node and not _pauses(node["delta"]):
                    yield Refusal(
                        "schedule-pace", place, "is scheduled without a second's pause", "use a longer interval"
                    )
                waiting.extend(node.values())

    # --- sizes -------------------------------------------------------------------------------------------------------

    def _size(self) -> Iterator[Refusal]:
        place, limits = self._shape.place(), self.limits
        tasks = {task["task_id"]: task for task in tasks_of(self.dag)}
        if len(tasks) != len(self.dag["tasks"]):
            yield Refusal("shape", place, "has two tasks of one name", "let Airflow serialize it")
        if len(tasks) > limits.tasks_per_dag:
            yield Refusal(
                "many-tasks",
                place,
                f"has {len(tasks)} tasks, and a Dag may have {limits.tasks_per_dag}",
                "split it into several Dags",
            )
            return
        edges = sum(len(task.get("downstream_task_ids") or ()) for task in tasks.values())
        if len(tasks) * edges > limits.graph_work and self._sums_weights(tasks):
            yield Refusal(
                "many-edges",
                place,
                f"has {len(tasks)} tasks with {edges} dependencies, too many to add up priorities along them",
                "set `weight_rule='absolute'`, or put a task in between",
            )
        yield from self._instances(tasks)

    @staticmethod
    def _sums_weights(tasks: Mapping[str, Any]) -> bool:
        return any(setting(task, "weight_rule", "downstream") != "absolute" for task in tasks.values())

    def _instances(self, tasks: Mapping[str, Any]) -> Iterator[Refusal]:
        lengths = instances(self.dag, tasks)
        for task_id, length in lengths.items():
            if length > self.limits.map_length:
                yield Refusal(
                    "map-length",
                    self._shape.place(task_id),
                    f"is mapped over {length} values, and may be over {self.limits.map_length}",
                    "give each instance a batch of values",
                )
        if (total := sum(lengths.values())) > self.limits.instances_per_run:
            yield Refusal(
                "many-instances",
                self._shape.place(),
                f"makes {total} task instances a run, and may make {self.limits.instances_per_run}",
                "split it, or give each instance more to do",
            )

    # --- one task ----------------------------------------------------------------------------------------------------

    def _task(self, task: Mapping[str, Any]) -> Iterator[Refusal]:
        place = self._shape.place(task["task_id"])
        if not NAME.fullmatch(task["task_id"]):
            yield Refusal("task-id", place, "has an id that is none", "use up to 250 letters, digits, dots, dashes, _")
        for fields in settings_of(task):
            yield from self._where(fields, place)
            yield from self._numbers(fields, place)
            for name, known in (("weight_rule", self.known.weight_rules), ("trigger_rule", self.known.trigger_rules)):
                if name in fields and fields[name] not in known:
                    yield Refusal(
                        name.replace("_", "-"),
                        place,
                        f"has the {name} {quoted(fields[name])}, which is neither Airflow's nor installed here",
                        "use one of Airflow's",
                    )
        for name in ("task_type", "_task_module", "_operator_name", "_task_display_name"):
            if len(str(task.get(name, ""))) > 1000:
                yield Refusal("names", place, f"has a `{name}` of more than 1000 characters", "shorten it")

    def _where(self, fields: Mapping[str, Any], place: str) -> Iterator[Refusal]:
        team = self.parsed.team
        if fields.get("executor"):
            yield Refusal(
                "executor",
                place,
                f"asks for the executor {quoted(fields['executor'])}, but a team's tasks run in the team's own place",
                "remove `executor`",
            )
        if fields.get("run_as_user"):
            yield Refusal(
                "run-as-user",
                place,
                f"asks to run as {quoted(fields['run_as_user'])}, but the platform"
                " decides which user a team's tasks run as",
                "remove `run_as_user`",
            )
        if fields.get("queue", DEFAULT_QUEUE) not in (DEFAULT_QUEUE, team):
            yield Refusal(
                "queue",
                place,
                f"asks for the queue {quoted(fields['queue'])}, but a team has one place to run its tasks",
                "remove `queue`",
            )
        pool = fields.get("pool", DEFAULT_POOL)
        if pool not in self.parsed.pools and pool != DEFAULT_POOL:
            yield Refusal(
                "pool",
                place,
                f"asks for the pool {quoted(pool)}, which team {team} does not have",
                "add it under `pools` in the team file, or remove `pool`",
            )
            return
        slots, most = fields.get("pool_slots", 1), self.parsed.pools.get(pool, self.parsed.slots)
        if _whole(slots, 1, _INT32) and slots > max(1, min(most or _INT32, self.parsed.slots)):
            yield Refusal(
                "pool-slots",
                place,
                f"needs {slots} slots at once, and would wait for ever: pool"
                f" {quoted(pool)} has {most}, the team {self.parsed.slots}",
                "ask for fewer with `pool_slots`",
            )

    def _numbers(self, fields: Mapping[str, Any], place: str) -> Iterator[Refusal]:
        ranges = {"pool_slots": (1, _INT32), "priority_weight": (-_INT32, _INT32), "retries": (0, 10_000)}
        ranges |= {"max_active_tis_per_dag": (1, _INT32), "max_active_tis_per_dagrun": (1, _INT32)}
        for name, (least, most) in ranges.items():
            if fields.get(name) is not None and not _whole(fields[name], least, most):
                yield Refusal(
                    "number",
                    place,
                    f"has the {name} {quoted(fields[name])}, which is no whole number from {least} to {most}",
                    "correct it",
                )
        for name in ("retry_delay", "max_retry_delay", "execution_timeout", "retry_exponential_backoff"):
            value = fields.get(name, 0)
            if isinstance(value, (int, float)) and not 0 <= value <= 10 * 366 * 86_400:
                yield Refusal(
                    "number", place, f"has a `{name}` of more than ten years, or less than none", "correct it"
                )

    # --- assets ------------------------------------------------------------------------------------------------------

    def _assets(self) -> Iterator[Refusal]:
        place, count = self._shape.place(), 0
        for use, root in self._asset_roots():
            for asset in assets_in(root):
                count += 1
                refusal = self.parsed.claims.refusal(self.parsed.team, use, asset, place)
                if refusal is not None:
                    yield refusal
        if count > self.limits.assets_per_dag:
            yield Refusal(
                "many-assets", place, f"names {count} assets, and may name {self.limits.assets_per_dag}", "split it"
            )

    def _asset_roots(self) -> Iterator[tuple[Use, Any]]:
        yield Use.HEAR, self.dag["timetable"]
        for task in tasks_of(self.dag):
            for fields in settings_of(task):
                yield Use.PRODUCE, fields.get("outlets")
                yield Use.HEAR, fields.get("inlets")


def prefixing(dag_id: str, teams: Collection[str]) -> str | None:
    """The team whose name an id begins with. Of ``data`` and ``data_lab``, ``data_lab_x`` is the second one's."""
    found = [team for team in teams if dag_id == team or dag_id.startswith((f"{team}_", f"{team}.", f"{team}-"))]
    return max(found, key=len, default=None)


def _pauses(delta: Any) -> bool:
    if isinstance(delta, dict):
        return any(isinstance(delta.get(unit), (int, float)) and delta[unit] >= 1 for unit in _UNITS)
    return isinstance(delta, (int, float)) and delta >= 1


def _whole(value: Any, least: int, most: int) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and value == int(value)
        and least <= value <= most
    )
