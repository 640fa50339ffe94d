"""Team files that are kept in a git repository: what that is called, and what is different when they are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from airspace.model.dag_source import GitSource
from airspace.model.errors import InvalidInputError
from airspace.model.home import HomeLayout
from airspace.model.problem import Problem
from airspace.teams import service
from airspace.teams.files import InvalidFilesError, Pushed
from airspace.teams.loading import LoadedTeams
from airspace.teams.origins import REPOSITORY
from airspace.teams.ports import ControlPlane

HOW = "git+https://HOST/PATH.git@BRANCH:FOLDER"
_SHAPE = re.compile(r"git\+(?P<url>[^/@:]+://[^/]*/[^@:]*)(?:@(?P<branch>[^@:]+))?(?::(?P<folder>[^:]+))?")


def is_one(text: str) -> bool:
    """Whether this names a repository and no folder."""
    return text.startswith(REPOSITORY)


def parse(text: str, more: Mapping[str, Any]) -> GitSource:
    """What ``git+URL@BRANCH:FOLDER`` names; branch and folder may be left out.

    :param more: the other keys of ``dags: {git: ...}``; ``None`` is as if it was left out
    :raises InvalidInputError: with everything that is wrong with it
    """
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise InvalidInputError("this names no repository", fix=f"write {HOW}")
    named = {key: value for key, value in {**found.groupdict(), **more}.items() if value is not None}
    try:
        return GitSource.model_validate(named)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        wrong = [f"{_where(detail)}{detail['msg']}" for detail in details]
        fixes = [str((detail.get("ctx") or {}).get("fix") or f"write {HOW}") for detail in details]
        raise InvalidInputError("; ".join(wrong), fix="; ".join(dict.fromkeys(fixes))) from None


def label(source: GitSource) -> str:
    """What the place of these files is called, in messages and in what is remembered."""
    return f"{REPOSITORY}{source.url}@{source.branch or 'HEAD'}:{source.folder or '.'}"


def load(
    source: GitSource, tree: Path, variables: Mapping[str, str], environ: Mapping[str, str], control: ControlPlane
) -> LoadedTeams:
    """Read and judge the team files of one commit.

    :param tree: the folder that holds them, without links
    :param variables: what ``{env: NAME}`` may name
    :param environ: where the keys are looked for that open ``{age: PATH}`` and ``{sops: PATH}``
    :raises InvalidFilesError: with every problem of every file, by its path in the repository
    """
    git = {"url": source.url, "branch": source.branch, "folder": source.folder}
    pushed = Pushed(tree, {key: value for key, value in git.items() if value}, frozenset(variables))
    layout: HomeLayout = control.layout
    try:
        loaded = service.load(tree, layout, {**environ, **variables}, None, control, pushed)
    except InvalidFilesError as error:
        raise InvalidFilesError([_named(problem, tree, source) for problem in error.problems]) from None
    except InvalidInputError as error:
        message, fix = (_there(text, tree, source) for text in (error.message, error.fix or ""))
        raise InvalidInputError(message, fix=fix) from None
    warnings = tuple(_named(problem, tree, source) for problem in loaded.warnings)
    return replace(loaded, warnings=warnings, platform=replace(loaded.platform, label=label(source)))


def _named(problem: Problem, tree: Path, source: GitSource) -> Problem:
    file, message, fix = (_there(text, tree, source) for text in (problem.file, problem.message, problem.fix))
    return replace(problem, file=file, message=message, fix=fix)


def _there(text: str, tree: Path, source: GitSource) -> str:
    """The same with paths as they are in the repository."""
    inside = f"{source.folder}/" if source.folder else ""
    return text.replace(f"{tree}/", inside).replace(str(tree), source.folder or "the repository")


def _where(detail: Any) -> str:
    return "".join(f"{part}: " for part in detail["loc"][:1])
