"""How much a team's code may make the platform do. Every limit can be set in ``airflow.cfg``, ``[airspace]``."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airspace.model.names import did_you_mean

SECTION = "airspace"
REQUIRE_PREFIX = "require_prefix"
# Told apart from numbers here, and judged by airspace.model.source_settings.
OTHERS = frozenset(
    {"source_hosts", "source_folders", "source_ca", "age_key_file"}
    | {"secrets_backend", "secrets_backend_kwargs", "secrets_backend_name"}
)
_BOOLEAN = {"true", "t", "1", "false", "f", "0"}  # as Airflow reads them


@dataclass(frozen=True)
class CodeLimits:
    """Limits of one Dag file, of one Dag, of one task and of one team. Each says its unit and what it protects.

    Well above what a large real deployment uses, well below what one team needs to stop the others.
    """

    message_bytes: int = 16 * 1024**2
    """Bytes of one message of the process that reads a file. A Dag of 10,000 simple tasks takes 4 MB."""
    message_containers: int = 600_000
    """Lists and mappings in one message, counted before it is unpacked: unpacked, one can take 60 times its size."""
    log_bytes: int = 4 * 1024**2
    """Bytes that a file may print each time it is read; the parent forwards every line."""
    requests: int = 1_000
    """Connections and variables that a file may ask for each time it is read; each is a query of the parent's."""
    task_log_bytes: int = 256 * 1024**2
    """Bytes that one try of a task may log and print; its supervisor writes every line. More ends the task."""
    task_message_bytes: int = 32 * 1024**2
    """Bytes of one message of a task, and so of one XCom: Airflow keeps it in the database. More ends the task."""
    warm_bytes: int = 512 * 1024**2
    """Bytes of memory that a team's sandbox may hold beside its tasks, to begin them sooner: above it, its process that
    forks them is replaced, and without work it ends at once instead of after 15 seconds."""
    warm_bytes_of_all: int = 1024**3
    """Bytes of memory that all sandboxes without work may hold: above it, the longest idle end first."""
    triggers_per_team: int = 250
    """Triggers of one team that run at once; more wait for one of them to end. They take no place from another team."""
    trigger_message_bytes: int = 8 * 1024**2
    """Bytes of one message of the process that runs a team's triggers. More ends it, and it is started again."""
    trigger_event_bytes: int = 1024**2
    """Bytes of one event of a trigger: Airflow keeps it in the database. More fails the trigger."""
    trigger_log_bytes: int = 16 * 1024**2
    """Bytes that one trigger may log, and all of a team's at once; then they may log 256 KB a second."""
    load_seconds: int = 5
    """Seconds that the parent tries to load a Dag and to find its next run; the scheduler does that in every loop."""
    nodes: int = 400_000
    """Values in one serialized Dag: the scheduler, the API server and the database handle every one of them."""
    depth: int = 100
    """Levels of one serialized Dag. Airflow reads them recursively; thirty nested task groups take ninety."""
    text_chars: int = 1_000_000
    """Characters of one text (documentation, a template)."""
    dags_per_file: int = 500
    """Dags that one file may define."""
    dags_per_team: int = 2_000
    """Dags that one team may have: each is looked at by the scheduler, and by every list."""
    tasks_per_dag: int = 2_000
    """Tasks of one Dag. Creating a run of 10,000 holds the API server for four seconds."""
    map_length: int = 1_024
    """Instances of one mapped task, also where several outputs are multiplied: Airflow's own limit is for each."""
    instances_per_run: int = 5_000
    """Task instances of one run, as far as the file itself says (tasks, times the lists that they are mapped over)."""
    graph_work: int = 20_000_000
    """Tasks times dependencies of one Dag: what adding up the priorities of all that follows takes, in each run."""
    active_runs: int = 100
    """Runs of one Dag at once. A Dag may ask for less; 0, which is no limit to Airflow, becomes this."""
    active_tasks: int = 256
    """Tasks of one run at once. A Dag may ask for less."""
    assets_per_dag: int = 500
    """Assets that one Dag may name."""
    import_errors: int = 50
    """Import errors of one file."""
    import_error_chars: int = 20_000
    """Characters of one import error; the rest is cut."""

    @classmethod
    def read(cls, get: Callable[[str, str], str | None]) -> CodeLimits:
        """The limits as configured.

        :param get: (section, key) → value, or None where it is not set
        :raises ValueError: a limit is no positive whole number
        """
        asked = {limit.name: get(SECTION, limit.name) for limit in dataclasses.fields(cls)}
        given = {name: value for name, value in asked.items() if value is not None}
        for problem in problems(given).values():
            raise ValueError(problem)
        return cls(**{name: int(value) for name, value in given.items()})


def problems(given: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with settings of the section, by key."""
    limits = {limit.name for limit in dataclasses.fields(CodeLimits)}
    found = {}
    for key, value in given.items():
        if key in OTHERS:
            continue
        if key == REQUIRE_PREFIX:
            if value.strip().lower() not in _BOOLEAN:
                found[key] = f"[{SECTION}] {key} = {value}: write true or false"
        elif key not in limits:
            near = did_you_mean(key, [*limits, *OTHERS, REQUIRE_PREFIX])
            found[key] = f"[{SECTION}] {key} is no setting" + (f": did you mean {near}?" if near else "")
        elif not value.strip().isdecimal() or int(value) < 1:
            found[key] = f"[{SECTION}] {key} = {value}: write a whole number, 1 or more"
    return found


def reference() -> str:
    """The table of ``docs/settings.md``, made from the words above."""
    body = next(node for node in ast.parse(inspect.getsource(CodeLimits)).body if isinstance(node, ast.ClassDef)).body
    lines = ["| setting | default | what it limits |", "| --- | --- | --- |"]
    for field, words in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(words, ast.Expr):
            name = ast.unparse(field.target)
            text = " ".join(ast.literal_eval(words.value).split())
            lines.append(f"| `{name}` | {getattr(CodeLimits, name):,} | {text} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(reference() + "\n")
