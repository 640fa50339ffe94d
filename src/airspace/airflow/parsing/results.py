"""What a parse process sent back, made fit to be stored. Pure: everything in it came from a team's code.

``checks`` says what may not be. What a Dag says about things that are not its to decide (its file, with whom its
assets are shared) is overwritten here. See ``docs/adr/0013-what-a-dag-file-may-say.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airspace.airflow.parsing.checks import Parsed, judge
from airspace.airflow.parsing.plain import plain
from airspace.airflow.parsing.refusals import Refusal, told
from airspace.airflow.parsing.serialized import assets_in, settings_of, tasks_of
from airspace.airflow.parsing.shape import Known
from airspace.model.limits import CodeLimits

WARNING_TYPES = frozenset({"non-existent pool", "runtime varying value"})
"""The warnings of Airflow's that reading a file gives rise to."""


@dataclass(frozen=True)
class Rules:
    """What every result is held against.

    :param load: builds the Dag as the scheduler will; an error in words if it cannot
    """

    known: Known
    limits: CodeLimits
    load: Callable[[Any], str | None] = lambda _: None


@dataclass
class Vetted:
    """What may be stored. ``refused``: whether the only import errors of the file are ours."""

    dags: list[Any] = field(default_factory=list)
    import_errors: dict[str, str] = field(default_factory=dict)
    warnings: list[Any] = field(default_factory=list)
    refused: bool = False


@dataclass
class Screened:
    """The Dags of a result that are plain data of bearable size, so that they may be looked into."""

    dags: list[Any] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


def screen(dags: Collection[Any], limits: CodeLimits) -> Screened:
    """Leave out what is no plain data, or too much of it."""
    screened = Screened()
    for count, dag in enumerate(dags):
        if count >= limits.dags_per_file:
            screened.refusals.append(_MANY)
            break
        refusal = plain(dag.data, limits)
        if refusal is None:
            screened.dags.append(dag)
        else:
            screened.refusals.append(refusal)
    return screened


def vet(screened: Screened, import_errors: Any, warnings: Any, parsed: Parsed, rules: Rules) -> Vetted:
    """Keep what is the team's own and sound; the rest becomes an import error of the file."""
    vetted = Vetted(import_errors=_own_errors(import_errors, parsed, rules.limits))
    problems = list(screened.refusals)
    seen: set[str] = set()
    for dag in screened.dags:
        found = _judged(dag, parsed, rules, seen)
        if not found:
            seen.add(dag.data["dag"]["dag_id"])
            vetted.dags.append(dag)
        problems += found
    if problems:
        vetted.refused = parsed.rel_path not in vetted.import_errors
        before = [vetted.import_errors[parsed.rel_path]] if parsed.rel_path in vetted.import_errors else []
        vetted.import_errors[parsed.rel_path] = "\n".join([*before, told(problems)])
    vetted.warnings = [warning for warning in _plain_list(warnings) if _is_warning(warning, seen)]
    return vetted


_MANY = Refusal(
    "many-dags", "This file", "defines too many Dags; the rest was left out", "divide it into several files"
)


def _judged(dag: Any, parsed: Parsed, rules: Rules, seen: Collection[str]) -> list[Refusal]:
    found = judge(dag.data, rules.known, rules.limits, parsed)
    if found:
        return found
    dag_id = dag.data["dag"]["dag_id"]
    if dag_id in seen:
        return [
            Refusal("dag-id-taken", f"The Dag id {dag_id!r}", "is used twice in this file", "rename one of the two")
        ]
    settle(dag.data["dag"], parsed, rules.limits)
    trouble = rules.load(dag)
    if trouble is not None:
        fix = "correct what the message names; it worked where the file was read"
        return [Refusal("not-loadable", f"Dag {dag_id!r}", f"cannot be loaded by Airflow: {trouble}", fix)]
    return []


# --- errors and warnings ---------------------------------------------------------------------------------------------


def _own_errors(errors: Any, parsed: Parsed, limits: CodeLimits) -> dict[str, str]:
    """The file's own import errors, of bearable size: what it says about other files is told as its own."""
    own: dict[str, str] = {}
    for path, error in list(errors.items())[: limits.import_errors] if isinstance(errors, Mapping) else ():
        text = _storable(error, limits.import_error_chars)
        inside = isinstance(path, str) and path.startswith(f"{parsed.rel_path}/") and len(path) <= 1000
        key = path if inside and ".." not in path.split("/") and path.isprintable() else parsed.rel_path
        own[key] = f"{own[key]}\n{text}"[: limits.import_error_chars] if key in own else text
    return own


def _storable(text: Any, most: int) -> str:
    kept = str(text) if isinstance(text, (str, int, float)) else f"an error that is no text but a {type(text).__name__}"
    kept = kept.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return kept if len(kept) <= most else f"{kept[: most // 2]}\n... (cut) ...\n{kept[-most // 2 :]}"


def _plain_list(warnings: Any) -> Iterator[Any]:
    yield from warnings[:1000] if isinstance(warnings, list) else ()


def _is_warning(warning: Any, own: Collection[str]) -> bool:
    return (
        isinstance(warning, dict)
        and set(warning) == {"dag_id", "warning_type", "message"}
        and all(isinstance(value, str) and "\0" not in value for value in warning.values())
        and warning["warning_type"] in WARNING_TYPES
        and warning["dag_id"] in own
        and len(warning["message"]) <= 20_000
    )


# --- what the platform decides ---------------------------------------------------------------------------------------


def settle(dag: dict[str, Any], parsed: Parsed, limits: CodeLimits) -> None:
    """Overwrite what the platform decides."""
    # The path is what the source view reads and what tasks later run: never one that the file chose.
    if not _inside_archive(dag, parsed):
        dag["fileloc"], dag["relative_fileloc"] = str(parsed.file), parsed.rel_path
    dag["_processor_dags_folder"] = None
    dag.pop("access_control", None)  # who may see a Dag is said in the team file
    for name, most in (("max_active_runs", limits.active_runs), ("max_active_tasks", limits.active_tasks)):
        if name in dag:
            dag[name] = min(int(dag[name]) or most, most)
    for asset in assets_in(dag.get("timetable")):
        _settle_heard(asset, parsed)
    for task in tasks_of(dag):
        for fields in settings_of(task):
            for asset in assets_in(fields.get("inlets")):
                _settle_heard(asset, parsed)
            for asset in assets_in(fields.get("outlets")):
                asset["access_control"] = {
                    "producer_teams": [],
                    "consumer_teams": parsed.claims.shared_with(parsed.team, asset["name"]),
                    "allow_global": False,
                }


def _settle_heard(asset: dict[str, Any], parsed: Parsed) -> None:
    heard = parsed.claims.heard_from(asset["name"], parsed.team)
    asset["access_control"] = {"producer_teams": heard, "allow_global": False}
    owned = parsed.claims.as_owned(asset["name"])
    if owned is not None and parsed.claims.owner(asset["name"]) != parsed.team:
        # Airflow stores what the Dag that was read last says of an asset: only its owner's word counts.
        asset["group"], asset["extra"] = owned.group, dict(owned.extra)


def _inside_archive(dag: Mapping[str, Any], parsed: Parsed) -> bool:
    """A packaged Dag's path goes on inside its archive; such a path is kept if it stays inside."""
    pairs = ((dag.get("fileloc"), str(parsed.file)), (dag.get("relative_fileloc"), parsed.rel_path))
    return parsed.file.suffix != ".py" and all(
        isinstance(path, str) and path.startswith(f"{archive}/") and ".." not in path.split("/") and len(path) <= 2000
        for path, archive in pairs
    )
