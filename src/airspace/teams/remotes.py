"""Remote Dag sources of team files: what they are called, what they are fetched with, and who shares them."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from airspace.model.dag_source import GIT, OBJECT_STORE, DagSource
from airspace.model.errors import HomeError, InvalidInputError
from airspace.model.home import HomeLayout
from airspace.model.problem import Problem
from airspace.model.remote import Remote
from airspace.teams import folders
from airspace.teams.files import TeamFile

Credential = Mapping[str, str]
KeyPath = tuple[str, ...]


@dataclass(frozen=True)
class Credentials:
    """What remotes are fetched with, by remote; and the key that makes ids of them."""

    key: str = field(repr=False)
    known: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)

    def id_of(self, kind: str, place: Mapping[str, str], credential: Credential) -> str:
        """The same for the same place and credential. Without the key, nothing can be guessed from it."""
        text = json.dumps([kind, dict(place), dict(credential)], sort_keys=True)
        return hmac.new(self.key.encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:24]

    def dump(self) -> bytes:
        """For the file."""
        return json.dumps({"key": self.key, "credentials": self.known}).encode()


def read_credentials(layout: HomeLayout) -> Credentials:
    """As apply has kept them; with a new key where there are none yet.

    :raises HomeError: the file is damaged, or not for the caller
    """
    try:
        document = json.loads(layout.source_credentials.read_text(encoding="utf-8"))
        return Credentials(str(document["key"]), dict(document["credentials"]))
    except FileNotFoundError:
        return Credentials(secrets.token_hex(32))
    except (OSError, ValueError, KeyError, TypeError):
        raise HomeError(
            f"{layout.source_credentials} cannot be read", fix=f"rm {layout.source_credentials}, then apply every team"
        ) from None


def credential_of(source: DagSource, found: Mapping[KeyPath, str]) -> dict[str, str]:
    """What a source is fetched with.

    :param found: what the file's references lead to, by path of keys
    """
    made = {}
    for path, value in source.secret_places():
        if value is not None:
            where: KeyPath = ("dags", *path)
            made[path[-1]] = value if isinstance(value, str) else found[where]
    return made


def kept_secrets(file: TeamFile, applied: Remote | None, credentials: Credentials) -> dict[KeyPath, str]:
    """What the references of an applied source lead to, as apply has kept it; for who cannot follow them.

    :param applied: the source as it was applied
    :raises InvalidInputError: the file names another place, or is fetched with something new
    """
    own = remote_of(file.team.dags, {}, credentials, "")
    known: Mapping[str, str] = {}
    if own is not None and applied is not None and _where(own.kind, own.place) == _where(applied.kind, applied.place):
        known = credentials.known.get(applied.id, {})
    paths: list[KeyPath] = [path for path in file.team.references() if path[0] == "dags"]
    if any(path[-1] not in known for path in paths):
        raise InvalidInputError(
            f"the Dag source of {file.team.name} is new, and its secret is not known here",
            fix=f"make its references lead somewhere, then apply the file of {file.team.name}",
        )
    return {path: known[path[-1]] for path in paths}


def keep(layout: HomeLayout, key: str, fresh: Mapping[str, Mapping[str, str]]) -> None:
    """Add what remotes are fetched with. For who holds the apply lock.

    :param key: of whoever made the ids; the one that is kept already wins
    """
    # Read again under the lock: another apply may have added some since.
    kept = read_credentials(layout)
    if fresh:
        added = kept.known | {name: dict(credential) for name, credential in fresh.items()}
        folders.write_credentials(layout, Credentials(kept.key if kept.known else key, added).dump())


def forget_unused(layout: HomeLayout) -> None:
    """Let go of what no source is fetched with any more. For who holds the apply lock."""
    kept = read_credentials(layout)
    if kept.known:
        used = [source.remote for source in folders.read_sources(layout).values()]
        folders.write_credentials(layout, _pruned(kept, used).dump())


def remote_of(source: DagSource, credential: Credential, credentials: Credentials, known_hosts: str) -> Remote | None:
    """The remote that a team file names; None when its Dags are in a folder.

    :param known_hosts: where ssh finds the servers that no team file names a key for
    """
    if source.git is not None:
        git = source.git
        place = {"url": git.url, "ref": git.place[1]}
        if git.url.startswith("ssh:"):
            place |= {"host_key": git.host_key} if git.host_key else {"known_hosts": known_hosts}
        kind, folder, every = GIT, git.folder or "", git.every
    elif source.object_store is not None:
        store = source.object_store
        place = {"url": store.url, "endpoint": store.address, "region": store.region}
        kind, folder, every = OBJECT_STORE, "", store.every
    else:
        return None
    return Remote(credentials.id_of(kind, place, credential), kind, place, folder, every)


def check(files: Sequence[TeamFile], applied: Mapping[str, Remote]) -> Iterator[Problem]:
    """Teams whose Dags would be the same files.

    :param applied: team → the remote of its source, as applied earlier
    """
    named = {file.team.name for file in files}
    taken: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    for team, remote in applied.items():
        if team not in named:
            taken[_where(remote.kind, remote.place)].append((_inside(remote), team))
    for file in files:
        own = remote_of(file.team.dags, {}, Credentials(""), "")
        if own is None:
            continue
        for folder, team in taken[_where(own.kind, own.place)]:
            if _overlap(folder, _inside(own)):
                path = ("dags", own.kind, "folder" if own.folder else "url")
                message = f"what is fetched there {'is' if folder == _inside(own) else 'overlaps'} also {team}'s"
                yield file.problem(path, "folder-shared", message, "give each team a folder of its own: folder: NAME")
        taken[_where(own.kind, own.place)].append((_inside(own), file.team.name))


def _pruned(credentials: Credentials, remotes: Iterable[Remote | None]) -> Credentials:
    used = {remote.id for remote in remotes if remote is not None}
    return Credentials(credentials.key, {name: found for name, found in credentials.known.items() if name in used})


def _where(kind: str, place: Mapping[str, str]) -> tuple[str, ...]:
    url = place["url"].removesuffix(".git").lower()
    if kind == OBJECT_STORE:
        return kind, place.get("endpoint", ""), "/".join(url.split("/")[:3])
    return kind, url, place.get("ref", "")


def _inside(remote: Remote) -> str:
    return "/".join(remote.place["url"].split("/")[3:]) if remote.kind == OBJECT_STORE else remote.folder


def _overlap(one: str, other: str) -> bool:
    return not one or not other or f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
