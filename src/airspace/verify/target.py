"""One's own running platform as what is attacked."""

from __future__ import annotations

import contextlib
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airspace.platform import home
from airspace.platform.service import Platform
from airspace.sandbox.spec import read_places
from airspace.verify import outside, planting
from airspace.verify.inside.facts import ATTACKER, DAGS, SHARED, VICTIM, Facts, process
from airspace.verify.judge import Machine
from airspace.verify.outside import Decoys

_PLATFORM_SECRETS = ("jwt_secret", "fernet_key", "api_secret_key", "database_url")


class PlatformTarget:
    """See :class:`airspace.verify.attempt.Target`."""

    fix = "airspace status; less $AIRSPACE_HOME/logs"

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._manifest = home.read_manifest(platform.layout)
        self.storage, self.logs = platform.layout.storage, platform.layout.logs / "airflow"

    def decoys(self, nonce: str) -> Decoys:
        """What is put beside the platform, by a process of the platform's user."""
        home_id = self._manifest.id if self._manifest else ""
        found = home.places(self._platform.layout, home_id).run.stat()
        return Decoys(nonce, found.st_uid, found.st_gid, home_id)

    def facts(self, known: Facts, decoys: Decoys) -> Facts:
        """Everything about platform and machine."""
        layout, packages = self._platform.layout, sysconfig.get_path("purelib")
        where = home.places(layout, self._manifest.id if self._manifest else "")
        folders = [above / team for team in DAGS for above in (layout.storage, layout.bundles, layout.dags)]
        folders += [layout.storage / VICTIM / "published" / SHARED, Path.home(), Path(packages)]
        return Facts.from_dict(
            known.as_dict(),
            **outside.decoy_facts(decoys),
            run=str(where.run),
            supervisor=str(where.supervisor),
            port=self._manifest.port if self._manifest else 0,
            control={part.name: vars(process(part.pid)) for part in self._platform.status().components if part.pid},
            hashes=outside.hashes(self._secrets(), layout.airflow / "airflow.cfg"),
            packages=packages,
            identities=outside.identities(folders),
        )

    def _secrets(self) -> Iterator[str]:
        for name in _PLATFORM_SECRETS:
            with contextlib.suppress(OSError):
                yield (self._platform.layout.secrets / name).read_text()

    def host_pid(self, pid: int) -> int | None:
        """By the task's title, and by its number in its own namespace."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError, IndexError):
                    title = (entry / "cmdline").read_bytes()
                    status = (entry / "status").read_text()
                    number = next(line.split()[-1] for line in status.splitlines() if line.startswith("NSpid:"))
                    if title.startswith(f"airspace task: {VICTIM} ".encode()) and int(number) == pid:
                        return int(entry.name)
        return None

    def ask_as_platform(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """As the control user."""
        found: Mapping[str, Any] = self._platform.run_control(outside.RUNNER, ["platform"], dict(payload))
        return found

    def plant_parsed(self, acts: list[str], facts: Facts) -> None:
        """Into the attacker's source folder."""
        planting.plant_parsed(self._platform, acts, facts)

    def plant_called(self, acts: list[str], facts: Facts) -> None:
        """The same."""
        planting.plant_called(self._platform, acts, facts)

    def machine(self, controllers: frozenset[str]) -> Machine:
        """Whether there are walls, and users of their own."""
        places = read_places(self._platform.layout.sandboxes.read_text(encoding="utf-8"))
        place = places.get(ATTACKER)
        return Machine(
            walls=self._manifest is not None and self._manifest.isolation != home.NONE,
            controllers=controllers,
            own_users=place is not None and place.uid is not None,
        )
