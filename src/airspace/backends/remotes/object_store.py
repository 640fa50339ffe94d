"""What lies below a prefix of an object store that speaks S3.

Two requests of the protocol, a list and a read, over a connection to the address that was judged. The clients that
there are choose the address themselves, follow redirects, look for credentials of the machine when a source has none,
and take ten times as long to start as this takes to look (decision 21).
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote, urlsplit

from airspace.backends.remotes.addresses import listed, resolve
from airspace.backends.remotes.job import Job, RemoteError, Seen
from airspace.backends.remotes.trees import Chosen, Entry, Trees
from airspace.backends.sources.mirror import Limits

_SECONDS = 20.0
_PAGE_OBJECTS = 1000
_PAGE_BYTES = 8 << 20
_MOST_PAGES = 50
_EMPTY = hashlib.sha256(b"").hexdigest()
_SPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_SAYS = {
    "NoSuchBucket": ("there is no such bucket", "correct url, or make the bucket"),
    "AccessDenied": ("these credentials may not read there", "grant s3:ListBucket and s3:GetObject, or correct key"),
    "InvalidAccessKeyId": ("the object store does not know this key", "check key, and renew it"),
    "SignatureDoesNotMatch": ("the object store refuses this secret", "check secret, and renew it"),
    "PermanentRedirect": ("the bucket is in another region", "add region: and its name"),
    "AuthorizationHeaderMalformed": ("the bucket is in another region", "add region: and its name"),
    "RequestTimeTooSkewed": ("the clocks differ", "set this machine's clock"),
}


@dataclass
class ObjectStore:
    """One prefix under one look."""

    job: Job
    _connection: http.client.HTTPConnection | None = field(default=None, init=False)

    def look(self) -> Seen:
        """The version that is there now, and a tree of it."""
        try:
            chosen, version = self._list()
            trees = Trees(Path(self.job.home))
            before = self.job.known.get("")
            if version == self.job.version and trees.has(before):
                return Seen(version, trees={"": str(before)}, left_out={"": chosen.left_out})
            name = trees.name(version, "")
            if not trees.has(name):
                trees.write(name, chosen, before, self._contents)
            return Seen(version, trees={"": name}, left_out={"": chosen.left_out})
        finally:
            self._close()

    def reach(self) -> Seen:
        """Whether it can be listed."""
        try:
            _, version = self._list(pages=1)
            return Seen(version)
        finally:
            self._close()

    @property
    def _bucket(self) -> str:
        return urlsplit(str(self.job.place["url"])).netloc

    @property
    def _prefix(self) -> str:
        path = urlsplit(str(self.job.place["url"])).path.strip("/")
        return f"{path}/" if path else ""

    # --- what is there ---------------------------------------------------------------------------------------------

    def _list(self, pages: int = _MOST_PAGES) -> tuple[Chosen, str]:
        """The objects to take, and a version: a digest of what they are."""
        chosen, digest, token = Chosen(), hashlib.sha256(), ""
        for _ in range(pages):
            asked = {"list-type": "2", "prefix": self._prefix, "max-keys": str(_PAGE_OBJECTS)}
            page = self._page(asked | ({"continuation-token": token} if token else {}))
            for key, mark, size in _objects(page):
                digest.update(f"{key}\0{mark}\0{size}\n".encode("utf-8", "surrogatepass"))
                path = key.removeprefix(self._prefix)
                if not path or path.endswith("/"):  # what stands for a folder in some tools
                    continue
                if not chosen.offer(Entry(path, mark, size)):
                    return chosen, digest.hexdigest()
            token = page.findtext(f"{_SPACE}NextContinuationToken") or ""
            if not token:
                break
        return chosen, digest.hexdigest()

    def _page(self, asked: Mapping[str, str]) -> ElementTree.Element:
        status, body = self._get(f"/{self._bucket}", asked, {}, _PAGE_BYTES)
        if status != http.client.OK:
            raise _explain(status, body)
        page = _parsed(body)
        if page is None or page.tag != f"{_SPACE}ListBucketResult":
            raise RemoteError("what answers there is no object store", "correct endpoint")
        return page

    def _contents(self, entries: Sequence[Entry]) -> Iterator[bytes]:
        """Of the very objects that were listed: one that changed since is for the next look."""
        for entry in entries:
            path = f"/{self._bucket}/{self._prefix}{entry.path}"
            status, body = self._get(path, {}, {"if-match": entry.mark}, Limits().file_bytes)
            if status == http.client.PRECONDITION_FAILED or len(body) != entry.size:
                raise RemoteError("it changed while it was read", "nothing to do: it is read again")
            if status != http.client.OK:
                raise _explain(status, body)
            yield body

    # --- how it is asked ---------------------------------------------------------------------------------------------

    def _get(self, path: str, asked: Mapping[str, str], headers: Mapping[str, str], most: int) -> tuple[int, bytes]:
        """One signed request; an answer that is too long is cut."""
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(asked.items()))
        target = quote(path, safe="/-_.~")
        connection = self._connected()
        signed = self._signed(target, query, headers)
        try:
            connection.request("GET", f"{target}?{query}" if query else target, headers=signed)
            answer = connection.getresponse()
            body = answer.read(most + 1)
            if len(body) > most or answer.will_close:
                self._close()
            return answer.status, body[:most]
        except TimeoutError:
            raise RemoteError("the object store does not answer", "look at the server, or correct endpoint") from None
        except http.client.HTTPException:
            raise RemoteError("what answers there does not speak HTTP", "correct endpoint") from None

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            parts = urlsplit(str(self.job.place["endpoint"]))
            host = (parts.hostname or "").lower()
            port = parts.port or (443 if parts.scheme == "https" else 80)
            if parts.scheme == "http" and not listed(host, self.job.settings):
                raise RemoteError("http is not encrypted: anybody on the way could change the code", "write https://")
            address = resolve(host, port, self.job.settings)
            self._connection = _connect(parts.scheme, host, port, address, self.job.settings.ca)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _signed(self, target: str, query: str, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers with a signature of version 4; as they are, for what everybody may read."""
        key, secret = self.job.credential.get("key"), self.job.credential.get("secret")
        parts = urlsplit(str(self.job.place["endpoint"]))
        now = datetime.now(timezone.utc)
        sent = dict(headers) | {"host": parts.netloc, "x-amz-content-sha256": _EMPTY}
        if not key or not secret:
            return sent
        sent["x-amz-date"] = now.strftime("%Y%m%dT%H%M%SZ")
        names = ";".join(sorted(sent))
        lines = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
        request = "\n".join(["GET", target, query, lines, names, _EMPTY])
        scope = f"{now:%Y%m%d}/{self.job.place['region']}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", sent["x-amz-date"], scope, hashlib.sha256(request.encode()).hexdigest()])
        signing = f"AWS4{secret}".encode()
        for part in scope.split("/"):
            signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()
        sent["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return sent


def _parsed(body: bytes) -> ElementTree.Element | None:
    """An answer, which has no declarations: nothing in it can expand."""
    if b"<!" in body:
        return None
    try:
        return ElementTree.fromstring(body)  # noqa: S314
    except ElementTree.ParseError:
        return None


def _objects(page: ElementTree.Element) -> Iterator[tuple[str, str, int]]:
    for found in page.iter(f"{_SPACE}Contents"):
        key, mark = found.findtext(f"{_SPACE}Key"), found.findtext(f"{_SPACE}ETag")
        size = found.findtext(f"{_SPACE}Size") or ""
        if key and mark and mark.isascii() and mark.isprintable() and size.isdecimal():
            yield key, mark, int(size)


def _connect(scheme: str, host: str, port: int, address: str, ca: str | None) -> http.client.HTTPConnection:
    """A connection to this address, and a certificate of that host."""
    try:
        wire = socket.create_connection((address, port), timeout=_SECONDS)
        if scheme == "https":
            context = ssl.create_default_context(cafile=ca)
            wire = context.wrap_socket(wire, server_hostname=host)
    except TimeoutError:
        raise RemoteError("the object store does not answer", "look at the server, or correct endpoint") from None
    except ssl.SSLError:
        raise RemoteError(
            "the object store's certificate is not trusted", "mend it, or name its CA: [airspace] source_ca"
        ) from None
    except OSError as error:
        raise RemoteError(f"{host}:{port} cannot be reached: {error.strerror}", "correct endpoint") from None
    made = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    made.sock = wire
    made.auto_open = 0  # it would ask for the name again, and connect to whatever that is by then
    return made


def _explain(status: int, body: bytes) -> RemoteError:
    page = _parsed(body)
    code = (page.findtext("Code") or "") if page is not None else ""
    if code in _SAYS:
        return RemoteError(*_SAYS[code])
    if status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        return RemoteError(*_SAYS["AccessDenied"])
    shown = code if code.isalnum() and len(code) < 60 else "no reason"
    return RemoteError(f"the object store answers {status} ({shown})", "correct url, endpoint and region")
