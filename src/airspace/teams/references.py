"""Following secret references, as whoever applies. What is read here is never shown."""

from __future__ import annotations

import configparser
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from airspace.model.errors import InvalidInputError, NotRunningError
from airspace.model.home import HomeLayout
from airspace.model.limits import SECTION
from airspace.model.problem import Problem
from airspace.model.secret import SecretRef
from airspace.model.team import Team
from airspace.teams.files import BackendAnswer, Surroundings, TeamFile, read_regular
from airspace.teams.ports import WORKER, ControlPlane
from airspace.teams.sealed import KEY, KEY_FILE, Keyring, SealedError

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
            found[path] = _follow(file.team.name, reference, file.path.parent, around)
        except (_MissingError, SealedError) as missing:
            what = next(iter(reference.as_dict().values())) if isinstance(missing, SealedError) else ""
            message = f"{what}: {missing.message}" if what else missing.message
            problems.append(file.problem(path, "no-secret", message, missing.fix))
    return found, problems


def ask_backend(teams: Sequence[Team], control: ControlPlane | None) -> dict[tuple[str, str], BackendAnswer]:
    """What the platform's secrets backend says of every name in these files, asked once, by the admin worker."""
    named = sorted({(team.name, ref.backend) for team in teams for ref in team.references().values() if ref.backend})
    if not named or control is None:
        return {}
    try:
        answer = control.run_control(WORKER, ["read-secrets"], {"names": named})
    except NotRunningError:
        return {}
    return {
        key: BackendAnswer(found.get("value"), str(found.get("message")), str(found.get("fix")))
        for key, found in zip(named, answer["found"], strict=True)
    }


def follow(reference: SecretRef, base: Path, environ: Mapping[str, str]) -> str:
    """What one reference leads to that stands in no team file.

    :param base: where a relative path starts
    :raises InvalidInputError: it leads to nothing
    """
    try:
        return _follow("", reference, base, Surroundings(environ=environ, keyring=Keyring(environ)))
    except (_MissingError, SealedError) as missing:
        raise InvalidInputError(missing.message, fix=missing.fix) from None


def age_key_file(layout: HomeLayout) -> str | None:
    """``[airspace] age_key_file`` of the settings, as ``up`` wrote them."""
    parser = configparser.RawConfigParser()
    with contextlib.suppress(OSError, configparser.Error):
        parser.read(layout.airflow / "airflow.cfg", encoding="utf-8")
    return parser.get(SECTION, "age_key_file", fallback=None)


def _follow(team: str, reference: SecretRef, base: Path, around: Surroundings) -> str:
    if reference.env is not None:
        return _from_environment(reference.env, around)
    if reference.backend is not None:
        return _from_backend(around.backend.get((team, reference.backend)))
    named = reference.file or reference.age or str(reference.sops)
    data = _from_file(base / named, named, around)
    if reference.sops is not None:
        return _usable(around.keyring.sops(data, Path(named).suffix, str(reference.key)), named)
    if reference.age is not None:
        return _usable(around.keyring.age(data), named)
    try:
        return _usable(data.decode(), named)
    except UnicodeDecodeError:
        raise _MissingError(f"the file {named} is not UTF-8 text", "encode it, for example as base64") from None


def _usable(text: str, named: str) -> str:
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or "\0" in text:
        raise _MissingError(f"the file {named} is empty or binary", "write the secret into it")
    return text


def _from_backend(found: BackendAnswer | None) -> str:
    if found is None:
        raise _MissingError("only a running platform asks its secrets backend", "airspace up")
    if found.value is None:
        raise _MissingError(found.message, found.fix)
    return found.value


def _from_environment(name: str, around: Surroundings) -> str:
    if name.startswith(("AIRFLOW__", "AIRSPACE_")) or name in (KEY, KEY_FILE):
        raise _MissingError(f"{name} is the platform's own and no team's secret", "use another variable")
    if around.pushed is not None and name not in around.pushed.variables:
        raise _MissingError(f"{name} is not open to files from a repository", f"start watch with --env {name}")
    value = around.environ.get(name)
    if not value:
        state = "is not set" if value is None else "is empty"
        raise _MissingError(f"the environment variable {name} {state}", f"export {name}=... before applying")
    return value


def _from_file(path: Path, shown: str, around: Surroundings) -> bytes:
    try:
        real = path.resolve(strict=True)
        if around.pushed is not None:
            if not real.is_relative_to(around.pushed.tree):
                raise _MissingError(f"{shown} is not in the repository's folder", "put it there, encrypted")
        elif any(real.is_relative_to(place) for place in around.forbidden) or _process_files(real):
            raise _MissingError(f"{shown} is the platform's own and no team's secret", "use another file")
        data = read_regular(real, MAX_SECRET + 1)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a loop of links"
        raise _MissingError(f"the file {shown} cannot be read: {reason}", "create it, or correct the path") from None
    if len(data) > MAX_SECRET:
        raise _MissingError(f"the file {shown} is larger than {MAX_SECRET // 1024} KiB", "name another file")
    return data


def _process_files(real: Path) -> bool:
    return real.parts[1:2] in (("proc",), ("sys",))
