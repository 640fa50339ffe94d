"""Following secret references, as whoever applies. What is read here is never shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from airspace.model.problem import Problem
from airspace.model.secret import SecretRef
from airspace.teams.files import Surroundings, TeamFile, read_regular

MAX_SECRET = 64 * 1024

KeyPath = tuple[str, ...]


class _MissingError(Exception):
    """The reference leads to nothing: message and fix."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message, self.fix = message, fix


def resolve(file: TeamFile, around: Surroundings) -> tuple[dict[KeyPath, str], list[Problem]]:
    """The secret behind every reference of a file, by its path of keys, and the references that lead to nothing."""
    found: dict[KeyPath, str] = {}
    problems: list[Problem] = []
    for path, reference in file.team.references().items():
        try:
            found[path] = _follow(reference, file.path.parent, around)
        except _MissingError as missing:
            problems.append(file.problem(path, "no-secret", missing.message, missing.fix))
    return found, problems


def _follow(reference: SecretRef, base: Path, around: Surroundings) -> str:
    if reference.env is not None:
        return _from_environment(reference.env, around.environ)
    text = _from_file(base / str(reference.file), str(reference.file), around.forbidden)
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or "\0" in text:
        raise _MissingError(f"the file {reference.file} is empty or binary", "write the secret into it")
    return text


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if name.startswith(("AIRFLOW__", "AIRSPACE_")):
        raise _MissingError(f"{name} is the platform's own and no team's secret", "use another variable")
    value = environ.get(name)
    if not value:
        state = "is not set" if value is None else "is empty"
        raise _MissingError(f"the environment variable {name} {state}", f"export {name}=... before applying")
    return value


def _from_file(path: Path, shown: str, forbidden: tuple[Path, ...]) -> str:
    try:
        real = path.resolve(strict=True)
        if any(real.is_relative_to(place) for place in forbidden) or _process_files(real):
            raise _MissingError(f"{shown} is the platform's own and no team's secret", "use another file")
        data = read_regular(real, MAX_SECRET + 1)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a loop of links"
        raise _MissingError(f"the file {shown} cannot be read: {reason}", "create it, or correct the path") from None
    if len(data) > MAX_SECRET:
        raise _MissingError(f"the file {shown} is larger than {MAX_SECRET // 1024} KiB", "name another file")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _MissingError(f"the file {shown} is not UTF-8 text", "encode it, for example as base64") from None


def _process_files(real: Path) -> bool:
    return real.parts[1:2] in (("proc",), ("sys",))
