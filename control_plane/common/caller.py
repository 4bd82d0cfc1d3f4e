"""From which network the running request came, for entries that say so without an address."""

import contextlib
import contextvars
import hashlib
import hmac
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from uuid import UUID

from django.conf import settings

_network: contextvars.ContextVar[str] = contextvars.ContextVar("threedance_network", default="")


@contextlib.contextmanager
def calling_from(address: str) -> Iterator[None]:
    """Says where the request comes from for as long as it lasts; an address that is none counts as unknown."""
    token = _network.set(network_of(address))
    try:
        yield
    finally:
        _network.reset(token)


def network_hash(studio_id: UUID) -> str:
    """Returns 16 characters that stand for the caller's network, another one in each studio; empty: no request.

    Keyed, so that nobody who reads a log can try out addresses: 32 bits of address are soon tried.
    """
    network = _network.get()
    if not network:
        return ""
    key = b"threedance/network/" + settings.SECRET_KEY.encode()
    return hmac.new(key, studio_id.bytes + network.encode(), hashlib.sha256).hexdigest()[:16]


def network_of(address: str) -> str:
    """Returns the network of an address: its /24, or its /48; empty for what is no address."""
    try:
        known = ip_address(address)
    except ValueError:
        return ""
    # A home keeps its /24 or /48 for weeks, its last bits change by the day.
    return str(ip_network(f"{known}/{24 if known.version == 4 else 48}", strict=False))
