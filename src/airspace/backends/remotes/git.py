"""A git repository: which commit a branch has, and that commit's files.

git is asked for objects only. Nothing is ever checked out, so that nothing of the repository has a say: no hook, no
filter, no attribute, no link, no submodule, no large-file server. Settings of the machine or of a user are not read.
"""

from __future__ import annotations

import base64
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from airspace.backends.remotes.addresses import listed, resolve
from airspace.backends.remotes.job import Job, RemoteError, Seen, plain
from airspace.backends.remotes.trees import Chosen, Entry, Trees
from airspace.sandbox.relay.rules import as_address

_PORTS = {"https": 443, "http": 80, "ssh": 22}
_TIP_SECONDS = 30.0  # git itself waits five minutes for a host that is not there
_REPOSITORY_BYTES = 2 << 30
_ANSWER_BYTES = 1 << 20
_ERROR_BYTES = 64 << 10
_POINTER = b"version https://git-lfs.github.com/spec/"
_QUIET = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.askPass": "",
    "credential.helper": "",
    "fetch.unpackLimit": "1",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
    "http.proxy": "",
    "pack.threads": "1",
    "protocol.version": "2",
    "submodule.recurse": "false",
    "transfer.fsckObjects": "true",
}
_SAYS = (
    ("Authentication failed", "the server refuses these credentials", "check login, password or key, and renew them"),
    ("could not read Username", "the server asks for a login", "add login and password: {env: NAME}"),
    ("could not read Password", "the server refuses these credentials", "check login and password"),
    ("error: 401", "the server refuses these credentials", "check login and password"),
    ("error: 403", "the server refuses these credentials", "check what they may read"),
    ("error: 3", "the server sends git elsewhere", "write the URL that it leads to; it often ends in .git"),
    ("not found", "there is no such repository, or these credentials may not see it", "correct url, or add a login"),
    ("does not appear to be a git", "there is no repository", "correct url"),
    ("Host key verification failed", "the ssh server's key is not the known one", "check host_key, or known_hosts"),
    ("Permission denied", "the ssh server refuses this key", "add the public key at the server, for reading"),
    ("certificate", "the server's certificate is not trusted", "mend it, or name its CA: [airspace] source_ca"),
    ("Failed to connect", "nothing listens there", "check host and port of the URL"),
    ("Connection refused", "nothing listens there", "check host and port of the URL"),
    ("Operation too slow", "the server sends next to nothing", "look at the server"),
    ("imed out", "the server does not answer", "look at the server, or correct host and port"),
    ("index-pack", "the repository's objects are damaged or forged", "git fsck --strict in the repository"),
    ("fsck", "the repository's objects are damaged or forged", "git fsck --strict in the repository"),
    ("File size limit", "the repository is too large", "make it smaller: large data belongs in the team's storage"),
)


@dataclass
class Git:
    """One repository under one look."""

    job: Job
    scratch: Path
    url: str = ""

    def __post_init__(self) -> None:
        self.url = str(self.job.place["url"])

    @property
    def ref(self) -> str:
        """Which of its branches or tags."""
        return str(self.job.place["ref"])

    def look(self) -> Seen:
        """The commit that is there now, and the trees of the wanted folders."""
        with self._reachable() as environment:
            tip = self._tip(environment)
            trees = Trees(Path(self.job.home))
            known = {folder: tree for folder, tree in self.job.known.items() if trees.has(tree)}
            if tip == self.job.version and set(known) == set(self.job.folders):
                return Seen(tip, trees=known)
            commit = self._fetch(environment)
        made = Seen(commit)
        for folder in self.job.folders:
            self._export(commit, folder, trees, made)
        return made

    def reach(self) -> Seen:
        """The commit that is there now; nothing is fetched."""
        with self._reachable() as environment:
            return Seen(self._tip(environment))

    # --- the server ------------------------------------------------------------------------------------------------

    @contextmanager
    def _reachable(self) -> Iterator[dict[str, str]]:
        """The environment of a git that speaks to this repository's host, at the address that was judged, only."""
        parts = urlsplit(self.url)
        settings = dict(_QUIET)
        environment = _environment(self.scratch, parts.scheme)
        if parts.scheme == "file":
            folder = _allowed_folder(parts.path, self.job.settings.folders)
            self.url = f"file://{folder}"
            environment["GIT_CONFIG_GLOBAL"] = str(self._safe(folder))
            yield environment | _configured(settings)
            return
        host = (parts.hostname or "").lower()
        port = parts.port or _PORTS[parts.scheme]
        if parts.scheme == "http" and not listed(host, self.job.settings):
            raise RemoteError("http is not encrypted: anybody on the way could change the code", "write https://")
        address = resolve(host, port, self.job.settings)
        if parts.scheme == "ssh":
            environment["GIT_SSH_COMMAND"] = shlex.join(self._ssh(host, port, address))
        else:
            if as_address(host) is None:
                settings["http.curloptResolve"] = f"{host}:{port}:{f'[{address}]' if ':' in address else address}"
            if self.job.settings.ca:
                settings["http.sslCAInfo"] = self.job.settings.ca
            if password := self.job.credential.get("password"):
                settings["http.extraHeader"] = _basic(self.job.credential.get("login") or "git", password)
        yield environment | _configured(settings)

    def _safe(self, folder: str) -> Path:
        """Settings that git's other half sees too, to which those in the environment are not handed on."""
        path = self.scratch / "gitconfig"
        quoted = folder.replace("\\", "\\\\").replace('"', '\\"')
        path.write_text(f'[safe]\n\tdirectory = "{quoted}"\n')
        return path

    def _ssh(self, host: str, port: int, address: str) -> list[str]:
        known = self.scratch / "known_hosts"
        if host_key := self.job.place.get("host_key"):
            name = host if port == _PORTS["ssh"] else f"[{host}]:{port}"
            known.write_text(f"{name} {host_key}\n")
        elif (of_home := Path(self.job.place.get("known_hosts") or "/nowhere")).is_file():
            known = of_home
        else:
            raise RemoteError("the ssh server's key is not known", f"add host_key: what ssh-keyscan {host} prints")
        key = self.scratch / "key"
        key.touch(mode=0o600)
        key.write_text(self.job.credential.get("key", "").rstrip("\n") + "\n")
        alias = host if port == _PORTS["ssh"] else f"[{host}]:{port}"
        options = {
            "BatchMode": "yes", "ConnectTimeout": "15", "ForwardAgent": "no", "HostKeyAlias": alias,
            "HostName": address, "IdentitiesOnly": "yes", "IdentityAgent": "none", "PermitLocalCommand": "no",
            "PasswordAuthentication": "no", "ServerAliveInterval": "15", "StrictHostKeyChecking": "yes",
            "UpdateHostKeys": "no", "UserKnownHostsFile": str(known), "GlobalKnownHostsFile": "/dev/null",
        }  # fmt: skip
        chosen = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", *chosen, "-i", str(key)]

    def _tip(self, environment: Mapping[str, str]) -> str:
        peeled = f"{self.ref}^{{}}"
        answer = self._run(["ls-remote", "--", self.url, self.ref, peeled], environment, seconds=_TIP_SECONDS)
        rows = dict(line.split("\t")[::-1] for line in answer.decode(errors="replace").splitlines() if "\t" in line)
        tip = rows.get(peeled) or rows.get(self.ref)
        if tip is None or len(tip) not in (40, 64) or not tip.isalnum():
            kind, _, name = self.ref.removeprefix("refs/").partition("/")
            if not name:
                raise RemoteError("the repository is empty", "push a commit")
            raise RemoteError(f"there is no {'tag' if kind == 'tags' else 'branch'} {name}", "correct it, or push it")
        return tip

    def _fetch(self, environment: Mapping[str, str]) -> str:
        """Get the newest commit alone; a repository that has grown too large, or was cut off, is begun anew."""
        if _size(self._repository) > _REPOSITORY_BYTES or list(self._repository.glob("*.lock")):
            shutil.rmtree(self._repository, ignore_errors=True)
        if not (self._repository / "HEAD").exists():
            self._run(["init", "--quiet", "--bare", "--template=", str(self._repository)], environment)
        fetch = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--force", "--"]
        try:
            self._run([*self._here, *fetch, self.url, f"+{self.ref}:refs/airspace/tip"], environment)
        except RemoteError:
            # What a fetch that broke off left may be what breaks the next one.
            shutil.rmtree(self._repository, ignore_errors=True)
            raise
        return self._run([*self._here, "rev-parse", "refs/airspace/tip^{commit}"], environment).decode().strip()

    # --- what was fetched ------------------------------------------------------------------------------------------

    @property
    def _repository(self) -> Path:
        return Path(self.job.home) / "repository.git"

    @property
    def _here(self) -> list[str]:
        return [f"--git-dir={self._repository}"]

    def _export(self, commit: str, folder: str, trees: Trees, made: Seen) -> None:
        environment = _environment(self.scratch, "none") | _configured(_QUIET)
        name = trees.name(commit, folder)
        before = self.job.known.get(folder)
        chosen = self._chosen(f"{commit}:{folder}", environment)
        if chosen is None:
            made.missing[folder] = "push it, or correct folder"
            if trees.has(before):
                made.trees[folder] = str(before)
            return
        if not trees.has(name):
            trees.write(name, chosen, before, lambda entries: self._contents(entries, chosen, environment))
        made.trees[folder] = name
        made.left_out[folder] = chosen.left_out

    def _chosen(self, tree: str, environment: Mapping[str, str]) -> Chosen | None:
        """The files of a folder at a commit; None when there is no such folder."""
        chosen = Chosen()
        enough = False
        with _piped([*self._here, "ls-tree", "-r", "-l", "-z", tree], environment) as (listing, stream):
            for row in _rows(stream):
                enough = not _offer(chosen, row)
                if enough:
                    break
        return chosen if enough or listing.returncode == 0 else None

    def _contents(self, entries: Sequence[Entry], chosen: Chosen, environment: Mapping[str, str]) -> Iterator[bytes]:
        """What these objects hold, as they are: no filter sees them."""
        with tempfile.TemporaryFile(dir=self.scratch) as names:
            names.writelines(f"{entry.mark}\n".encode() for entry in entries)
            names.seek(0)
            with _piped([*self._here, "cat-file", "--batch"], environment, names) as (_, stream):
                for entry in entries:
                    head = stream.readline(1000).split()
                    if len(head) != 3 or head[1] != b"blob" or int(head[2]) != entry.size:
                        raise RemoteError("the repository's objects are damaged", "git fsck --strict in the repository")
                    data = stream.read(entry.size)
                    stream.read(1)
                    if data.startswith(_POINTER):
                        chosen.leave(entry.path, "it is kept in Git LFS: only its pointer is here")
                    yield data

    def _run(self, arguments: Iterable[str], environment: Mapping[str, str], *, seconds: float | None = None) -> bytes:
        """One git command, its answer and its complaints bounded.

        :param seconds: how long it may take; by default as long as the look
        """
        with tempfile.TemporaryFile(dir=self.scratch) as said, tempfile.TemporaryFile(dir=self.scratch) as answer:
            try:
                done = subprocess.run(
                    ["git", *arguments], env=dict(environment), stdin=subprocess.DEVNULL, stdout=answer, stderr=said,
                    check=False, timeout=seconds,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                raise _explain("timed out", 0) from None
            said.seek(0)
            answer.seek(0)
            if done.returncode:
                complaint = said.read(_ERROR_BYTES).decode(errors="replace")
                if self.job.credential.get("password"):  # git tells both by asking for a login
                    complaint = complaint.replace("could not read Username", "Authentication failed")
                raise _explain(complaint, done.returncode)
            return answer.read(_ANSWER_BYTES)


@contextmanager
def _piped(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: IO[bytes] | int = subprocess.DEVNULL
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A git command whose answer is read as it comes; it has ended, or is ended, when the reader is done."""
    with subprocess.Popen(
        ["git", *arguments], env=dict(environment), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        if process.stdout is None:
            raise RuntimeError("no pipe")
        try:
            yield process, process.stdout
        finally:
            # Its end comes after its last word: only one that has more to say is cut off.
            if process.stdout.read(1):
                process.kill()


def _offer(chosen: Chosen, row: bytes) -> bool:
    """One line of ``ls-tree``: ``mode type object size<tab>path``."""
    head, _, name = row.partition(b"\t")
    mode, kind, mark, size = head.decode().split()
    try:
        path = name.decode()
    except UnicodeDecodeError:
        chosen.leave(repr(name), "its name is not UTF-8")
        return True
    if kind != "blob":
        chosen.leave(path, "it is a submodule, which is not followed")
        return True
    if mode == "120000":
        chosen.leave(path, "it is a symbolic link")
        return True
    return chosen.offer(Entry(path, mark, int(size), executable=mode == "100755"))


def _rows(stream: IO[bytes]) -> Iterator[bytes]:
    """What stands between NUL bytes."""
    rest = b""
    while data := stream.read(1 << 16):
        *rows, rest = (rest + data).split(b"\0")
        yield from rows
        if len(rest) > 1 << 20:
            return


def _explain(said: str, code: int) -> RemoteError:
    for sign, message, fix in _SAYS:
        if sign in said:
            return RemoteError(message, fix)
    lines = [line for line in said.splitlines() if line.startswith(("fatal:", "error:"))]
    shown = plain(lines[0].partition(": ")[2]) if lines else f"git ended with {code}"
    return RemoteError(f"git cannot fetch it: {shown}", "try the same with git ls-remote on the platform's machine")


def _basic(login: str, password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


def _configured(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings by the environment: arguments are seen by everybody on the machine."""
    pairs = list(settings.items())
    found = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (name, value) in enumerate(pairs):
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def _environment(scratch: Path, scheme: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "AIRSPACE_PLATFORM") if name in os.environ}
    return kept | {
        "HOME": str(scratch),
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": scheme,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ASKPASS": "/bin/false",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "SSH_ASKPASS": "/bin/false",
    }


def _allowed_folder(path: str, roots: Sequence[str]) -> str:
    real = Path(os.path.realpath(path))
    if not any(real.is_relative_to(os.path.realpath(root)) for root in roots):
        raise RemoteError(
            "this folder of the platform's machine is not open to Dag sources",
            "the platform's owner can allow it in airflow.overrides.cfg: [airspace] source_folders = FOLDER",
        )
    return str(real)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*")) if folder.exists() else 0
