"""Whether this machine can hold sandboxes, and what to tell people about how far teams are kept apart."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import mkdtemp

from airspace.model.errors import AirspaceError
from airspace.model.home import HomeLayout
from airspace.platform.home import NONE
from airspace.sandbox import bubblewrap, cgroups
from airspace.sandbox.kernel import SeccompFilter
from airspace.sandbox.relay import wires
from airspace.sandbox.relay.plan import plan
from airspace.sandbox.settings import code_folders
from airspace.sandbox.spec import SYSTEM, TeamPlace, sandbox_spec

_TEST_LIST = ("test.example:443", "test.example:5432", "192.0.2.1:22")
_TEST_UID = 65534  # nobody: it is only built for, nothing is run as it

_SANDBOXED = "isolation: sandbox - tasks and triggers run, and Dag files are read, in their team's sandbox{users}."
_ONE_USER = "; without root all teams share one Unix user, and only the kernel's namespaces are between them"
_NOT_ISOLATED = (
    "isolation: none - chosen by name: the code of all teams runs as the same Unix user, so a team's code can read and "
    "change what belongs to other teams and to the platform. Run only code that you trust."
)


def sentence(isolation: str, *, as_root: bool) -> str:
    """How far the teams' code is kept apart, in plain words."""
    return _NOT_ISOLATED if isolation == NONE else _SANDBOXED.format(users="" if as_root else _ONE_USER)


def controllers(root: Path = cgroups.ROOT, own: Path = Path("/proc/self/cgroup")) -> tuple[str, ...]:
    """What control groups could limit here, as seen from the spawner's user. Only looks: nothing is made."""
    if not (root / "cgroup.controllers").exists():
        return tuple(name for name in cgroups.CONTROLLERS if os.access(root / name, os.W_OK))
    path = next((line[3:].strip() for line in own.read_text().splitlines() if line.startswith("0::")), "/")
    for above in (root,) if os.getuid() == 0 else (root / path.lstrip("/")).parents:
        given = above / "cgroup.controllers"
        if given.exists() and os.access(above, os.W_OK) and os.access(above / "cgroup.subtree_control", os.W_OK):
            listed = given.read_text().split()
            if found := tuple(name for name in cgroups.CONTROLLERS if name in listed):
                return found
    return ()


def _check_hidden(layout: HomeLayout) -> None:
    """A home inside of what every sandbox is shown would be shown as well."""
    root, own = layout.root.resolve(), {layout.team_airflow, layout.team_airflow.resolve()}
    for path in (*(path.resolve() for path in SYSTEM), *(path for path in code_folders(layout) if path not in own)):
        if root == path or path in root.parents:
            raise AirspaceError(f"the home {root} lies in {path}, which team code sees", fix="set AIRSPACE_HOME")


def _try_network(pid: int, as_root: bool) -> str | None:
    try:
        made = wires.lay(pid, plan(_TEST_LIST), with_user=not as_root)
    except OSError as error:
        return str(error)
    wires.close(made)
    return None


def check(layout: HomeLayout, as_root: bool) -> str | None:
    """Build a sandbox with a network and take it down again.

    :returns: why no sandbox reaches anything here, whatever its team's list says; None where they do
    :raises AirspaceError: that does not work here; nothing is started without sandboxes unless somebody says so
    """
    trial = HomeLayout(Path(mkdtemp(prefix="airspace-trial-")))
    try:
        SeccompFilter()
        _check_hidden(layout)
        place = TeamPlace("trial", "trial", *((_TEST_UID, _TEST_UID) if as_root else (None, None)))
        for folder in (trial.bundles / "trial", trial.storage / "trial" / "published"):
            folder.mkdir(parents=True)
        walls = bubblewrap.build(sandbox_spec(trial, place, (), (layout.team_airflow,)))
        try:
            network = _try_network(walls.pid, as_root)
        finally:
            walls.remove()
    except (AirspaceError, OSError) as error:
        said = error.message if isinstance(error, AirspaceError) else str(error)
        first = f"{error.fix}, " if isinstance(error, AirspaceError) and error.fix != "airspace doctor" else ""
        raise AirspaceError(
            f"this machine cannot hold sandboxes: {said}",
            fix=f"{first}airspace doctor; or, if you trust every team's code: airspace up --isolation none",
        ) from None
    finally:
        shutil.rmtree(trial.root, ignore_errors=True)
    return network
