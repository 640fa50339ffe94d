"""TLS between the relay and a database server of the company's: teams' clients speak to the relay in the clear.

PostgreSQL begins in the clear: whoever wants TLS asks for it, and the server's answer is one byte. Nothing here waits.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any

from airspace.model.warehouse import Offer
from airspace.sandbox.relay.loop import READ, WRITE, Loop

PLAIN, MAYBE, VERIFIED = ("disable", "allow"), "prefer", ("verify-ca", "verify-full")
SYSTEM = "system"
_REQUEST = struct.pack("!II", 8, 80877103)


class Sealed(ssl.SSLSocket):
    """Behaves like a socket that does not block, so that what moves data need not know."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:  # noqa: ARG002  # TLS has none
        """At most one record, so that nothing is left over that the kernel would not tell of."""
        try:
            return super().recv(buflen)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None

    def send(self, data: Any, flags: int = 0) -> int:  # noqa: ARG002
        """As much as goes."""
        try:
            return super().send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None

    def shutdown(self, how: int) -> None:
        """Say no more; what still comes is read. The class above would go on in the clear."""
        socket.socket.shutdown(self, how)


class Seal:
    """What one server is spoken to with; made once.

    :raises OSError: its certificates cannot be read
    """

    def __init__(self, offer: Offer) -> None:
        self.optional = offer.sslmode == MAYBE
        self._host = offer.host
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.sslsocket_class = Sealed
        self._context.check_hostname = offer.sslmode == "verify-full"
        # As libpq has it: who names certificates has them looked at.
        if offer.sslmode not in VERIFIED and (self.optional or offer.ca is None):
            self._context.verify_mode = ssl.CERT_NONE
        elif offer.ca is None or offer.ca == SYSTEM:
            self._context.load_default_certs()
        else:
            self._context.load_verify_locations(offer.ca)

    def around(self, sock: socket.socket) -> ssl.SSLSocket:
        """That socket, which is connected, with the handshake still to come."""
        return self._context.wrap_socket(sock, server_hostname=self._host, do_handshake_on_connect=False)


def seal_of(offer: Offer | None) -> Seal | None:
    """None where the server is spoken to in the clear."""
    if offer is None or offer.own_server or offer.sslmode in PLAIN:
        return None
    return Seal(offer)


class Sealing:
    """One connection on its way to TLS.

    :param done: called with what to go on with; ``failed`` with the reason why it cannot
    """

    def __init__(
        self,
        loop: Loop,
        team: str,
        outer: socket.socket,
        seal: Seal,
        done: Callable[[socket.socket], None],
        failed: Callable[[str], None],
    ) -> None:
        self._loop, self._team, self._seal, self._done, self._failed = loop, team, seal, done, failed
        self.outer = outer
        try:
            outer.send(_REQUEST, socket.MSG_NOSIGNAL)  # eight bytes on a new connection always go
        except OSError as error:
            failed(error.strerror or "it ended")
            return
        loop.watch(outer.fileno(), READ, team, self._answered)

    def _answered(self, _events: int) -> None:
        try:
            # One byte and no more: what somebody on the way put behind it would be taken for TLS, and fail.
            answer = self.outer.recv(1)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error.strerror or "it ended")
            return
        if answer == b"S":
            self._loop.forget(self.outer.fileno())
            try:
                self.outer = self._seal.around(self.outer)
            except (OSError, ValueError) as error:
                self._failed(f"TLS: {error}")
                return
            self._greet(0)
        elif answer == b"N" and self._seal.optional:
            self._loop.forget(self.outer.fileno())
            self._done(self.outer)
        else:
            self._end("the server speaks no TLS")

    def _greet(self, _events: int) -> None:
        sealed = self.outer
        if not isinstance(sealed, ssl.SSLSocket):
            return
        try:
            sealed.do_handshake()
        except ssl.SSLWantReadError:
            self._loop.watch(sealed.fileno(), READ, self._team, self._greet)
        except ssl.SSLWantWriteError:
            self._loop.watch(sealed.fileno(), WRITE, self._team, self._greet)
        except ssl.SSLCertVerificationError as error:
            self._end(f"the server's certificate is not trusted: {error.verify_message}")
        except (OSError, ValueError) as error:
            self._end(f"TLS: {getattr(error, 'reason', None) or type(error).__name__}")
        else:
            self._loop.forget(sealed.fileno())
            self._done(sealed)

    def _end(self, reason: str) -> None:
        self._loop.forget(self.outer.fileno())
        self._failed(reason)
