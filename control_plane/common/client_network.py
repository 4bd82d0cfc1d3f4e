"""The caller's address behind trusted proxies, and the networks that limits and logs use.

`client_address` is the only code that reads `X-Forwarded-For`, for HTTP and websockets alike. It does not read `Forwarded`
(RFC 7239): a proxy that only writes `X-Forwarded-For` passes on a forged `Forwarded` unchanged.
"""

import contextlib
import contextvars
import hashlib
import hmac
import logging
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from uuid import UUID

from django.conf import settings

from shared.kernel.logs import FailureLog

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104  # never bound; "this host on this network", which no caller has
"""Address of a caller whose address is unknown. No real caller has it, so its limits affect nobody else."""
FORWARDED_FOR = b"x-forwarded-for"
LIMITED_PREFIX_V6 = 64
"""A caller with one IPv6 address controls its whole /64."""

log = logging.getLogger(__name__)
_unreadable = FailureLog(log, "the proxy's X-Forwarded-For holds no address", every_s=600.0)
_network: contextvars.ContextVar[str] = contextvars.ContextVar("threedance_network", default="")


def client_address(peer: str, forwarded_for: str) -> str:
    """Returns the caller's address: the peer's, or behind `TRUSTED_PROXIES` the one that our own proxies report.

    Trusts as many entries, from the right, as there are proxies; the caller may have written those further left. An
    entry may have a port (`203.0.113.5:4711`, `[2001:db8::5]:4711`), as Azure, IIS and AWS write it.

    Args:
        peer: the other end of the connection; empty for a unix socket.
        forwarded_for: all `X-Forwarded-For` headers, joined by commas.

    Returns:
        An IPv4 or IPv6 address without port or zone; `UNKNOWN_ADDRESS` if there is none.
    """
    proxies: int = settings.TRUSTED_PROXIES
    entries = [part.strip() for part in forwarded_for.split(",") if part.strip()] if proxies else []
    address = _address_in(entries[-min(proxies, len(entries))] if entries else peer)
    if address is None:
        if entries:
            _unreadable.failed()
        return UNKNOWN_ADDRESS
    return str(address)


def address_of_scope(scope: Mapping[str, Any]) -> str:
    """Returns the caller's address of an ASGI connection, as `client_address` does."""
    client = scope.get("client")
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == FORWARDED_FOR]
    return client_address(str(client[0]) if client else "", ",".join(values))


def limit_key(address: str) -> str:
    """Returns the key of an address for limits: the IPv4 address, or the /64 of an IPv6 address."""
    known = _address_in(address)
    if known is None:
        return UNKNOWN_ADDRESS
    if known.version == 4:
        return str(known)
    return str(ip_network(f"{known}/{LIMITED_PREFIX_V6}", strict=False))


def _address_in(entry: str) -> IPv4Address | IPv6Address | None:
    """Returns the address in an entry of X-Forwarded-For, or None."""
    text = entry.strip().strip('"')
    if text.startswith("["):
        text, closed, port = text[1:].partition("]")
        if not closed or (port and not _is_port(port)):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return None
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A dual-stack server reports IPv4 callers as mapped IPv6 addresses; as IPv6 they would all share one /64.
    return getattr(found, "ipv4_mapped", None) or found


def _is_port(text: str) -> bool:
    digits = text.removeprefix(":")
    return text.startswith(":") and digits.isascii() and digits.isdigit() and int(digits[:6]) < 65_536


@contextlib.contextmanager
def calling_from(address: str) -> Iterator[None]:
    """Sets the caller's address for the duration of a request; an invalid address counts as unknown."""
    token = _network.set(network_of(address))
    try:
        yield
    finally:
        _network.reset(token)


def network_hash(studio_id: UUID) -> str:
    """Returns 16 characters that identify the caller's network within one studio; empty outside of a request.

    A keyed hash, because 32 bits of address could be found by trial.
    """
    network = _network.get()
    if not network:
        return ""
    key = b"threedance/network/" + settings.SECRET_KEY.encode()
    return hmac.new(key, studio_id.bytes + network.encode(), hashlib.sha256).hexdigest()[:16]


def network_of(address: str) -> str:
    """Returns the network of an address: its /24 or /48; empty if the address is unknown."""
    known = _address_in(address)
    if known is None or address == UNKNOWN_ADDRESS:
        return ""
    # A home keeps its /24 or /48 for weeks, while the last bits change daily.
    return str(ip_network(f"{known}/{24 if known.version == 4 else 48}", strict=False))
