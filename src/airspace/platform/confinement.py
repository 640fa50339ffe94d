"""Where a look at a remote source runs: git reads what anybody may have forged, so it sees no file of the platform's.

The system read-only, the source's own folder to write in, the network, and no other process. The same user namespaces
as an ordinary user's sandboxes are used; on a machine that has none, looks run without, which is logged.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import airspace
from airspace.model.home import HomeLayout

log = logging.getLogger("airspace.puller")

_PROBE_SECONDS = 10


class Confinement:
    """The prefix of a command that may touch one remote's folder only.

    :param needed: files of the home that are shown all the same
    :param probed: a folder of the control user's to try it with; by default one beside the remotes
    :param become: what makes the caller the control user, if it is another one
    """

    def __init__(
        self,
        layout: HomeLayout,
        run: Path,
        needed: Iterable[Path] = (),
        probed: Path | None = None,
        become: Sequence[str] = (),
    ) -> None:
        self._layout = layout
        self._run = run
        self._needed = tuple(needed)
        self._works = self._probe(probed, become)
        if not self._works:
            log.warning("git runs as the platform's own user: this machine lets it make no user namespace")

    def prefix(self, home: Path) -> tuple[str, ...]:
        """For a look at the remote whose folder this is."""
        return self._command(home) if self._works else ()

    def _command(self, home: Path) -> tuple[str, ...]:
        root = self._layout.root
        hidden = [root, *([self._run] if not self._run.is_relative_to(root) else [])]
        shown = {Path(sys.prefix), Path(sys.base_prefix), Path(airspace.__file__).parent.parent, *self._needed}
        within = sorted(path for path in shown if path.is_relative_to(root) and path.exists())
        return (
            "bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent",
            "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc",
            *(part for path in hidden for part in ("--tmpfs", str(path))),
            *(part for path in within for part in ("--ro-bind", str(path), str(path))),
            "--bind", str(home), str(home), "--",
        )  # fmt: skip

    def _probe(self, probed: Path | None, become: Sequence[str]) -> bool:
        if shutil.which("bwrap") is None:
            return False
        own = self._layout.remotes / ".probe"
        if probed is None:
            own.mkdir(exist_ok=True)
        try:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                command = [*become, *self._command(probed or own), sys.executable, "-c", "import airspace"]
                done = subprocess.run(command, capture_output=True, check=False, timeout=_PROBE_SECONDS, cwd="/")
                return done.returncode == 0
            return False
        finally:
            if probed is None:
                own.rmdir()
