"""Giving up rights: the command prefixes under which the platform's programs start."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from airspace.backends.accounts.users import Account, AccountError

# What the fetcher needs of root: to read every team's source folder and to write the home's, whoever owns them.
FETCHER = ("dac_override", "dac_read_search", "chown", "fowner")
# What the spawner needs: to build sandboxes, to enter them as the team's user, to end what runs in them.
SPAWNER = (
    "dac_override", "dac_read_search", "chown", "fowner", "kill", "setuid", "setgid", "setpcap", "sys_admin",
    "sys_chroot", "sys_ptrace", "sys_resource", "net_admin", "net_bind_service",
)  # fmt: skip


def drop_prefix(account: Account | None, *, on_parent_death: str = "TERM") -> tuple[str, ...]:
    """Become ``account`` for good: no groups, no capabilities, none to be had by setuid programs.

    :param account: None for an ordinary user, who has nothing to give up
    :param on_parent_death: the signal to get when the process manager dies, so that nothing outlives it
    """
    path = shutil.which("setpriv")
    if account is None:
        return (path, f"--pdeathsig={on_parent_death}", "--") if path else ()
    if path is None:
        raise AccountError("setpriv is needed to give up root's rights", fix="apt-get install util-linux")
    return (
        path,
        f"--reuid={account.uid}",
        f"--regid={account.gid}",
        "--clear-groups",
        "--no-new-privs",
        "--inh-caps=-all",
        "--bounding-set=-all",
        f"--pdeathsig={on_parent_death}",
        "--",
    )


def root_prefix(capabilities: Iterable[str]) -> tuple[str, ...]:
    """Stay root, but only as far as these capabilities go."""
    path = shutil.which("setpriv")
    if path is None:
        raise AccountError("setpriv is needed to give up root's rights", fix="apt-get install util-linux")
    kept = ",".join(f"+{name}" for name in capabilities)
    return (path, "--no-new-privs", "--inh-caps=-all", f"--bounding-set=-all,{kept}", "--pdeathsig=TERM", "--")


def unreachable(account: Account, folders: Iterable[Path]) -> list[Path]:
    """Those of these folders (the top-most of each branch) that the user cannot pass through.

    Asked of the kernel as that user, so that ACLs and mount options count.
    """
    ordered = sorted(set(folders))
    script = 'for p; do [ -x "$p" ] || printf "%s\\0" "$p"; done'
    done = subprocess.run(
        [*drop_prefix(account), "/bin/sh", "-c", script, "sh", *map(str, ordered)],
        capture_output=True,
        check=False,
        cwd="/",
    )
    if done.returncode:
        raise AccountError(
            f"cannot become user {account.name}: {done.stderr.decode(errors='replace').strip()}", fix="airspace doctor"
        )
    blocked = [Path(name) for name in done.stdout.decode().split("\0") if name]
    return [path for path in blocked if not any(parent in blocked for parent in path.parents)]
