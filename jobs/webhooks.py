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
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

CONNECT_SECONDS, READ_SECONDS = 5.0, 10.0
USER_AGENT = "Atelier-Webhooks/1"
# IPv4 addresses that are written as IPv6 ones (RFC 6052, RFC 3056 carry them inside).
NAT64 = ipaddress.ip_network("64:ff9b::/96")


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
    return ip.is_global and not ip.is_multicast


def resolve(url: str, allow_private: bool) -> Target:
    """Look the name up, once. Raises :class:`UndeliverableError` when it may not be reached."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, UnicodeError) as failed:
        raise UndeliverableError(f"{host} cannot be looked up: {failed}") from None
    addresses = [str(entry[4][0]) for entry in found]
    inside = [address for address in addresses if not is_public(address)]
    if inside and not allow_private:
        raise UndeliverableError(
            f"{host} is {inside[0]}, an address that is not public. The administrator may allow"
            " such with ATELIER_WEBHOOK_PRIVATE=yes."
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, addresses[0], port, path)


def send(target: Target, headers: Mapping[str, str], body: bytes) -> int:
    """POST it; the status of the answer. Raises :class:`UndeliverableError` without one."""
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    named = f"[{target.host}]" if ":" in target.host else target.host
    usual = 443 if target.scheme == "https" else 80
    shown = named if target.port == usual else f"{named}:{target.port}"
    pool: urllib3.HTTPConnectionPool
    if target.scheme == "https":
        pool = urllib3.HTTPSConnectionPool(
            target.address,
            target.port,
            timeout=timeout,
            server_hostname=target.host,
            assert_hostname=target.host,
        )
    else:
        pool = urllib3.HTTPConnectionPool(target.address, target.port, timeout=timeout)
    try:
        answer = pool.urlopen(
            "POST",
            target.path,
            body=body,
            headers={**headers, "Host": shown, "User-Agent": USER_AGENT},
            redirect=False,
            retries=False,
            preload_content=False,
        )
        answer.close()  # what it says is nobody's concern, however long it is
        return answer.status
    except (HTTPError, OSError) as failed:
        raise UndeliverableError(f"{type(failed).__name__}: {failed}"[:500]) from None
    finally:
        pool.close()
