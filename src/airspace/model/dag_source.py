"""Where a team's Dags come from: ``dags`` of the team file. No I/O.

What stands here ends up in the command line of git and in requests, so every text is held to a narrow alphabet: no
option, no other transport, no way out of a folder can be written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictInt, StrictStr
from pydantic_core import PydanticCustomError

from airspace.model.parts import JoinedPart, refuse
from airspace.model.secret import Secret, SecretOnly

GIT, OBJECT_STORE = "git", "object_store"
EVERY = 30
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9a-fA-F:.]{2,45}\]")
_PATH = re.compile(r"[A-Za-z0-9._~/@+=,%-]{0,500}")
_LOGIN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+@-]{0,199}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_HOST_KEY = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]{1,60} [A-Za-z0-9+/=]{16,2000}")
_HOW_GIT = "write https://host/path.git or ssh://git@host/path.git"


def _folder(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise refuse("bad-folder", "a folder has a name", "write a path relative to this file")
    return value


def _inner_folder(value: str) -> str:
    parts = value.strip("/").split("/")
    plain = all(part not in ("", ".", "..") and part.lower() != ".git" and part.isprintable() for part in parts)
    if not plain or len(value) > 500 or "\\" in value:
        raise refuse("bad-folder", "this is no folder inside the repository", "write it from its root: teams/finance")
    return "/".join(parts)


def _plain(value: str) -> str:
    """Python's own reading of URLs drops line breaks and tabs; others keep them."""
    if not value.isascii() or not value.isprintable() or " " in value or "\\" in value:
        raise refuse("bad-url", "this URL holds what no URL holds", "remove spaces and special characters")
    return value


def _git_url(value: str) -> str:
    _plain(value)
    if re.fullmatch(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^/].*", value):
        raise refuse("bad-url", "the short form of ssh is not read", "write ssh://git@host/path.git")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise refuse("bad-url", "this is no URL", _HOW_GIT) from None
    if parts.scheme not in ("https", "http", "ssh", "file"):
        raise refuse("bad-url", "a repository is reached by https or ssh", _HOW_GIT)
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise refuse("bad-url", "the URL holds a login", "move it to login and password: {env: NAME} beside url")
    if not _PATH.fullmatch(parts.path) or ".." in parts.path.split("/") or parts.query or parts.fragment:
        raise refuse("bad-url", "the path of this URL holds something unusual", _HOW_GIT)
    if parts.scheme == "file":
        if parts.netloc or not parts.path.startswith("/"):
            raise refuse("bad-url", "a file URL has three slashes", "write file:///path/to/repository.git")
        return value
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{port}")
    if not _HOST.fullmatch(host) or port == 0 or len(parts.path) < 2:
        raise refuse("bad-url", "this URL names no repository on a host", _HOW_GIT)
    if parts.username is not None and not _LOGIN.fullmatch(parts.username):
        raise refuse("bad-url", "this is no login for ssh", _HOW_GIT)
    return value.rstrip("/")


def _ref(value: str) -> str:
    odd = any(part.startswith(".") or part.endswith((".lock", ".")) or not part for part in value.split("/"))
    if not _REF.fullmatch(value) or odd or ".." in value or "@{" in value:
        raise refuse("bad-ref", "this is no name of a branch or tag", "write for example main or release/2")
    return value


def _store_url(value: str) -> str:
    _plain(value)
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    prefix = parts.path.strip("/")
    good = parts.scheme == "s3" and _BUCKET.fullmatch(parts.netloc) and not (parts.query or parts.fragment)
    if not good or any(part in ("", ".", "..") for part in prefix.split("/") if prefix) or not prefix.isprintable():
        raise refuse("bad-url", "this names no place in an object store", "write s3://bucket/prefix")
    return f"s3://{parts.netloc}/{prefix}"


def _endpoint_url(value: str) -> str:
    _plain(value)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.netloc.removesuffix(f":{port}")
    if parts.scheme not in ("https", "http") or not _HOST.fullmatch(host) or parts.path.strip("/") or parts.query:
        raise refuse("bad-url", "this is no endpoint of an object store", "write https://host or https://host:port")
    return value.rstrip("/")


def _region(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,40}", value):
        raise refuse("bad-text", "this is no region", "write for example eu-central-1")
    return value


def _host_key(value: str) -> str:
    if not _HOST_KEY.fullmatch(value):
        fix = "write what ssh-keyscan prints for the host, without the host: ssh-ed25519 AAAA..."
        raise refuse("bad-text", "this is no public key of an ssh server", fix)
    return value


def _named(given: Mapping[str, Any]) -> set[str]:
    return {key for key, value in given.items() if value is not None}


def _scheme(url: object) -> str | None:
    """How a repository is reached; None when that is no URL of one, which is told elsewhere."""
    try:
        return urlsplit(_git_url(url)).scheme if isinstance(url, str) else None
    except PydanticCustomError:
        return None


Every = Annotated[StrictInt, Field(ge=5, le=86_400)]


class GitSource(JoinedPart):
    """A git repository, or a folder of one that several teams share."""

    url: Annotated[StrictStr, AfterValidator(_git_url)] = Field(description="https://host/path.git or ssh://git@host/…")
    branch: Annotated[StrictStr, AfterValidator(_ref)] | None = Field(
        default=None, description="by default the repository's own"
    )
    tag: Annotated[StrictStr, AfterValidator(_ref)] | None = Field(default=None, description="instead of a branch")
    folder: Annotated[StrictStr, AfterValidator(_inner_folder)] | None = Field(
        default=None, description="the team's folder in a shared repository; by default all of it"
    )
    login: Secret | None = Field(default=None, description="for https; by default the one that goes with tokens")
    password: SecretOnly | None = Field(default=None, description="for https: a password or token, by reference")
    key: SecretOnly | None = Field(default=None, description="for ssh: a private key without passphrase, by reference")
    host_key: Annotated[StrictStr, AfterValidator(_host_key)] | None = Field(
        default=None, description="for ssh: the server's public key; by default what known_hosts of the home says"
    )
    every: Every = Field(default=EVERY, description="seconds between two looks")

    @classmethod
    def crossed(cls, given: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
        """See :class:`JoinedPart`."""
        named, scheme = _named(given), _scheme(given.get("url"))
        if {"branch", "tag"} <= named:
            yield refuse("two-sources", "a branch and a tag", "remove one of the two")
        if scheme == "ssh" and named & {"login", "password"}:
            yield refuse("wrong-login", "ssh takes a key, not a password", "write key: {file: PATH}")
        elif "login" in named and "password" not in named:
            yield refuse("wrong-login", "a login without a password", "add password: {env: NAME}")
        if scheme == "ssh" and "key" not in named:
            yield refuse("wrong-login", "ssh needs a key", "add key: {file: PATH}, a private key without passphrase")
        if scheme not in ("ssh", None) and named & {"key", "host_key"}:
            yield refuse("wrong-login", "a key is for ssh only", "write login and password, or an ssh:// URL")

    @property
    def place(self) -> tuple[str, str]:
        """The repository at that branch or tag: the same for all teams that share it."""
        ref = f"refs/tags/{self.tag}" if self.tag else f"refs/heads/{self.branch}" if self.branch else "HEAD"
        return self.url.removesuffix(".git"), ref


class ObjectStoreSource(JoinedPart):
    """What lies below a prefix of an object store."""

    url: Annotated[StrictStr, AfterValidator(_store_url)] = Field(description="s3://bucket/prefix")
    endpoint: Annotated[StrictStr, AfterValidator(_endpoint_url)] | None = Field(
        default=None, description="by default that of AWS in the region"
    )
    region: Annotated[StrictStr, AfterValidator(_region)] = "us-east-1"
    key: Secret | None = Field(default=None, description="access key id; none for what everybody may read")
    secret: SecretOnly | None = Field(default=None, description="secret access key, by reference")
    every: Every = Field(default=EVERY, description="seconds between two looks")

    @classmethod
    def crossed(cls, given: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
        """See :class:`JoinedPart`."""
        if len(_named(given) & {"key", "secret"}) == 1:
            yield refuse("wrong-login", "key and secret go together", "add the other one, or remove both")

    @property
    def address(self) -> str:
        """The endpoint that is asked."""
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"


class DagSource(JoinedPart):
    """Where the team's Dags come from: one of these."""

    folder: Annotated[StrictStr, AfterValidator(_folder)] | None = Field(
        default=None,
        description="relative to this file, inside the applied folder; by default a folder that the platform makes",
    )
    git: GitSource | None = None
    object_store: ObjectStoreSource | None = None

    @classmethod
    def crossed(cls, given: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
        """See :class:`JoinedPart`."""
        if len(_named(given) & {"folder", GIT, OBJECT_STORE}) > 1:
            yield refuse("two-sources", "a team's Dags come from one place", "keep one of folder, git, object_store")

    @property
    def remote(self) -> GitSource | ObjectStoreSource | None:
        """What is fetched over the network, if it is."""
        return self.git or self.object_store

    def secret_places(self) -> list[tuple[tuple[str, ...], Any]]:
        """What may be a secret, by its path of keys below ``dags``."""
        if self.git is not None:
            return [((GIT, name), getattr(self.git, name)) for name in ("login", "password", "key")]
        if self.object_store is not None:
            return [((OBJECT_STORE, name), getattr(self.object_store, name)) for name in ("key", "secret")]
        return []
