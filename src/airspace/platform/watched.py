"""A branch of a git repository whose team files are applied: ``airspace watch git+URL@BRANCH:FOLDER``.

It is fetched as Dag sources are (:mod:`airspace.backends.remotes`): objects only, in a confined process of the control
user's, from the address that was judged. Each branch has its own folder in the home, with the tree of one commit.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from airspace.backends.remotes.job import Job, Seen
from airspace.model.dag_source import DagSource, GitSource
from airspace.model.errors import AirspaceError
from airspace.model.remote import Remote
from airspace.model.source_settings import SourceSettings
from airspace.platform import home, looking
from airspace.platform.confinement import Confinement
from airspace.platform.control import Control
from airspace.platform.puller import settings_of
from airspace.platform.service import Platform
from airspace.teams import repository, service
from airspace.teams.loading import LoadedTeams
from airspace.teams.remotes import Credentials, remote_of
from airspace.teams.service import Outcome
from airspace.teams.watcher import Signature

_POLL = 0.1


class StoppedError(AirspaceError):
    """Whoever watches was told to stop while a look was under way."""

    def __init__(self) -> None:
        super().__init__("it was told to stop")


@dataclass
class Repository:
    """What :func:`airspace.teams.watcher.watch` watches.

    :param credential: what it is fetched with, asked anew for each look: tokens are renewed
    :param variables: what ``{env: NAME}`` of its files may name
    :param version: the commit that was seen last
    """

    source: GitSource
    platform: Platform
    credential: Callable[[], dict[str, str]]
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    stop: threading.Event = field(default_factory=threading.Event)
    version: str | None = field(default=None, init=False)
    _confinement: Confinement | None = field(default=None, init=False)
    _tree: Path | None = field(default=None, init=False)

    def look(self) -> Signature:
        """See :class:`airspace.teams.watcher.Place`."""
        with self._alone():
            return (self._look().version,)

    def load(self) -> LoadedTeams:
        """See :class:`airspace.teams.watcher.Place`."""
        with self._alone():
            # Another one who watches the same branch may have seen a newer commit since, and dropped this one.
            tree = self._tree if self._tree is not None and self._tree.is_dir() else self._fresh_tree()
            return repository.load(self.source, tree, self.variables, os.environ, self.platform)

    def apply(self, loaded: LoadedTeams) -> Outcome:
        """See :class:`airspace.teams.watcher.Place`."""
        return service.apply(loaded, self.platform)

    # --- the look ----------------------------------------------------------------------------------------------------

    def _fresh_tree(self) -> Path:
        self._look()
        if self._tree is None:
            raise AirspaceError(f"{repository.label(self.source)} cannot be read", fix="try again")
        return self._tree

    def _look(self) -> Seen:
        """The commit that is there now, its tree written.

        :raises AirspaceError: what is wrong with the source, and what mends it
        """
        control, remote = self.platform.control(), self._remote
        job = Job(
            remote.kind, remote.place, (remote.folder,), str(self._home), self.credential(),
            self._settings(), {remote.folder: self._tree.name} if self._tree else {}, self.version, sole=True,
        )  # fmt: skip
        prefix = [*control.prefix(on_parent_death="KILL"), *self._confined(control).prefix(self._home)]
        under_way = looking.begin(job, prefix, control.environment)
        while not under_way.over:
            if self.stop.wait(_POLL):
                under_way.end()
                raise StoppedError
        return self._taken(under_way.result(), remote)

    def _taken(self, seen: Seen, remote: Remote) -> Seen:
        name = repository.label(self.source)
        if seen.error is not None:
            raise AirspaceError(f"{name}: {seen.error[0]}", fix=seen.error[1])
        if remote.folder in seen.missing:
            raise AirspaceError(f"{name}: there is no such folder in it", fix=seen.missing[remote.folder])
        folder = self._home / "trees" / seen.trees[remote.folder]
        if folder.resolve() != folder:  # what was fetched in there must not lead anywhere else
            raise AirspaceError(f"{name}: {folder} is a link", fix=f"rm -r {self._home}")
        self.version, self._tree = seen.version, folder
        return seen

    @property
    def _remote(self) -> Remote:
        """As a Dag source; its id says nothing of the credential, so that a new token needs no new clone."""
        known_hosts = str(self.platform.layout.root / "known_hosts")
        found = remote_of(DagSource(git=self.source), {}, Credentials(""), known_hosts)
        if found is None:
            raise RuntimeError("a git source has a remote")
        return found

    @property
    def _home(self) -> Path:
        remote = self._remote
        name = hashlib.sha256(f"{remote.id} {remote.folder}".encode()).hexdigest()[:24]
        return self.platform.layout.watched.resolve() / name

    def _settings(self) -> SourceSettings:
        """What holds for Dag sources; and who names a host or a folder on the command line has allowed it."""
        settings = settings_of(self.platform.layout.airflow / "airflow.cfg")
        parts = urlsplit(self.source.url)
        if parts.scheme == "file":
            return replace(settings, folders=(*settings.folders, parts.path))
        named = (parts.hostname or "").lower()
        return settings if parts.scheme == "http" else replace(settings, hosts=(*settings.hosts, named))

    def _confined(self, control: Control) -> Confinement:
        if self._confinement is None:
            layout, run = self.platform.layout, self.platform.run_folder
            settings = self._settings()
            needed = [layout.root / "known_hosts", *([Path(settings.ca)] if settings.ca else [])]
            self._confinement = Confinement(layout, run, needed, self._home, control.prefix())
        return self._confinement

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One at a time looks at a branch and reads what was fetched. Who is killed gives it back."""
        owner = self.platform.control().owner
        home.make_folder(self.platform.layout.watched, 0o700, owner)
        home.make_folder(self._home, 0o700, owner)
        handle = os.open(self._home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if self.stop.wait(_POLL):
                        raise StoppedError from None
            yield
        finally:
            os.close(handle)
