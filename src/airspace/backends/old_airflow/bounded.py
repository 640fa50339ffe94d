"""An HTTP client for a server that may be broken or hostile: answers have a size, waits have an end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from airspace.model.errors import AirspaceError

MOST_BYTES, MOST_OF_ALL, MOST_PAGES, PAGE = 16 << 20, 512 << 20, 2_000, 100
_ASKS = {"Accept": "application/json", "Accept-Encoding": "identity"}
SECONDS, ALL_SECONDS = 20.0, 1_800.0


class SourceError(AirspaceError):
    """The other deployment could not be read. The message holds no credential."""


@dataclass(frozen=True)
class Reply:
    """Status and decoded body."""

    status: int
    body: Any


@dataclass
class BoundedClient:
    """GET and one POST, without following where the server sends us: a redirect could lead to another host."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    all_seconds: float = ALL_SECONDS

    def __post_init__(self) -> None:
        self.url = self.url.rstrip("/")
        self._read_so_far = 0
        self._until = time.monotonic() + self.all_seconds
        self._http = httpx.Client(timeout=httpx.Timeout(SECONDS, connect=10.0), trust_env=False, follow_redirects=False)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def send(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None) -> Reply:
        """One call.

        :raises SourceError: no answer, or one that is no answer of Airflow's
        """
        auth = httpx.BasicAuth(*self.basic) if self.basic else None
        headers = {**_ASKS, **self.headers}
        try:
            request = self._http.build_request(method, self.url + path, params=params, json=body, headers=headers)
            reply = self._http.send(request, auth=auth, stream=True)
            try:
                data = self._read(reply, path)
            finally:
                reply.close()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            # The exception's own text may quote the address with its password.
            raise SourceError(
                f"{method} {path}: no answer ({type(error).__name__})", fix="check the address, and that it runs"
            ) from None
        return Reply(reply.status_code, _decoded(data))

    def _read(self, reply: httpx.Response, path: str) -> bytes:
        data = bytearray()
        until = min(self._until, time.monotonic() + 3 * SECONDS)
        if (
            reply.headers.get("content-encoding", "identity") != "identity"
        ):  # unasked for: how large it gets is not said
            raise SourceError(f"{path}: the answer is packed", fix="import from its database")
        for part in reply.iter_raw():  # as it comes in, so that the clock is looked at also where it drips
            data += part
            self._read_so_far += len(part)
            if self._read_so_far > MOST_OF_ALL:
                raise SourceError(f"more than {MOST_OF_ALL >> 20} MB up to {path}", fix="is this an Airflow?")
            if len(data) > MOST_BYTES:
                raise SourceError(
                    f"{path}: an answer of more than {MOST_BYTES >> 20} MB", fix="import from its database"
                )
            if time.monotonic() > until:
                raise SourceError(f"{path}: the answer takes too long", fix="try again, or import from its database")
        return bytes(data)

    def rows(self, path: str, key: str) -> Iterator[Any]:
        """All rows of a list, page by page.

        :raises SourceError: it is refused, is no list, or has no end
        """
        seen = 0
        for _ in range(MOST_PAGES):
            reply = self.send("GET", path, params={"limit": PAGE, "offset": seen})
            if reply.status != 200:
                raise SourceError(f"GET {path}: {reply.status}", fix=_fix(reply.status))
            found = reply.body.get(key) if isinstance(reply.body, dict) else None
            if not isinstance(found, list):
                raise SourceError(f"GET {path}: no list of {key}", fix="is this the address of an Airflow?")
            if len(found) > 10 * PAGE:
                raise SourceError(f"GET {path}: a page of {len(found)} rows", fix="import from its database")
            yield from found
            seen += len(found)
            total = reply.body.get("total_entries")
            if not found or (isinstance(total, int) and seen >= total) or (total is None and len(found) < PAGE):
                return
            if time.monotonic() > self._until:
                break
        raise SourceError(f"GET {path}: the list has no end", fix="import from its database")


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data.decode("utf-8", "replace")


def _fix(status: int) -> str:
    if status in (401, 403):
        return (
            "sign in as an administrator: AIRSPACE_IMPORT_USER and AIRSPACE_IMPORT_PASSWORD, or AIRSPACE_IMPORT_TOKEN"
        )
    return "is this the address of an Airflow 2.9 or newer?"
