"""Sending a webhook: signed, to an address that was looked up once, and to nobody inside.

Standard Webhooks 1.0 (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md):
``v1,`` and the base64 of HMAC-SHA256 over ``id.timestamp.body``. The name is resolved once, every
address it has must be public unless the administrator allows others, and the connection goes to
one of these, so that no second answer of the name server can lead inside. Redirects are not
followed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

# Until there is a connection, between two pieces of an answer, and for the whole of it: who sends
# a byte now and then must not keep the courier from everybody else's deliveries.
CONNECT_SECONDS, READ_SECONDS, WHOLE_SECONDS = 5.0, 10.0, 20.0
USER_AGENT = "Atelier-Webhooks/1"
# IPv4 addresses that are written as IPv6 ones (RFC 6052, RFC 3056 carry them inside).
NAT64 = ipaddress.ip_network("64:ff9b::/96")


# The same words whether there is no such name or it lies inside: nobody learns from them which
# names the network has, nor their addresses. The log tells the administrator.
UNREACHABLE = (
    "%(host)s cannot be called: it has no address, or one that is not public. The administrator"
    " may allow such with ATELIER_WEBHOOK_PRIVATE=yes."
)
# Nor which ports answer: the words of a failed connection name both.
TOO_SLOW = "No answer came in time."
UNSAFE = "No safe connection came about; is the certificate in order?"
BROKEN = "The connection failed, or broke off before an answer."
log = logging.getLogger(__name__)


class UndeliverableError(Exception):
    """It could not be sent, in words; trying again may help."""


@dataclass(frozen=True)
class Target:
    """Where a URL leads: the one address that was chosen, and all that the request names."""

    scheme: str
    host: str
    address: str
    port: int
    path: str


def sign(secret: str, id_: str, timestamp: int, body: bytes) -> str:
    """The signature of a message; ``secret`` is ``whsec_`` and base64."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((id_.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def is_public(address: str) -> bool:
    """Whether an IP address lies outside: no private, loopback, link-local or reserved one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        # Site-local, and IPv4 inside by other ways (RFC 8215, RFC 4291 2.5.5.1): no public ones.
        if ip.is_site_local or ip.is_reserved:
            return False
    return ip.is_global and not ip.is_multicast


def resolve(url: str, allow_private: bool) -> Target:
    """Look the name up, once. Raises :class:`UndeliverableError` when it may not be reached."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, UnicodeError) as failed:
        log.info("a webhook's host %r cannot be looked up: %s", host, failed)
        raise UndeliverableError(UNREACHABLE % {"host": host}) from None
    addresses = [str(entry[4][0]) for entry in found]
    inside = [address for address in addresses if not is_public(address)]
    if inside and not allow_private:
        log.info("a webhook's host %r is %s, which is not public", host, inside[0])
        raise UndeliverableError(UNREACHABLE % {"host": host})
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, addresses[0], port, path)


def send(target: Target, headers: Mapping[str, str], body: bytes) -> int:
    """POST it; the status of the answer. Raises :class:`UndeliverableError` without one."""
    named = f"[{target.host}]" if ":" in target.host else target.host
    usual = 443 if target.scheme == "https" else 80
    shown = named if target.port == usual else f"{named}:{target.port}"
    told = {**headers, "Host": shown, "User-Agent": USER_AGENT}
    connection = _connection(target)
    try:
        connection.connect()
        with _ended_after(connection, WHOLE_SECONDS):
            connection.timeout = READ_SECONDS
            connection.request("POST", target.path, body=body, headers=told, preload_content=False)
            # What it says is nobody's concern, however long it is.
            return connection.getresponse().status
    except (HTTPError, HTTPException, OSError) as failed:
        log.info("%s at %s: %s: %s", target.host, target.address, type(failed).__name__, failed)
        raise UndeliverableError(_told(failed)) from None
    finally:
        connection.close()


def _told(failed: Exception) -> str:
    if isinstance(failed, NewConnectionError):  # for urllib3 a kind of ConnectTimeoutError
        return BROKEN
    if isinstance(failed, ConnectTimeoutError | TimeoutError):
        return TOO_SLOW
    return UNSAFE if isinstance(failed, ssl.SSLError) else BROKEN


def _connection(target: Target) -> HTTPConnection:
    if target.scheme != "https":
        return HTTPConnection(target.address, target.port, timeout=CONNECT_SECONDS)
    # The certificate must be that of the name, whose address was looked up.
    return HTTPSConnection(
        target.address, target.port, timeout=CONNECT_SECONDS, server_hostname=target.host
    )


@contextmanager
def _ended_after(connection: HTTPConnection, seconds: float) -> Iterator[None]:
    """Cut an open connection off if the block takes longer: reading it then ends or fails."""
    opened = connection.sock
    assert opened is not None

    def cut() -> None:
        with suppress(OSError):  # it is closed already
            # Past TLS, whose own way of ending would take the other thread's state from it.
            socket.socket.shutdown(opened, socket.SHUT_RDWR)

    watch = threading.Timer(seconds, cut)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
