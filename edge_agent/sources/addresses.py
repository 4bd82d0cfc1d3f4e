"""Address rules for cameras: a pushed configuration cannot make the agent connect to anything else."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from urllib.parse import quote, urlsplit

from edge_agent.errors import CameraFailed
from edge_agent.settings import Settings
from shared.protocol.status import CameraError

MOST_ADDRESSES = 8
"""How many addresses of one name are tried."""

_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # most clouds
        "169.254.170.2",  # containers at AWS
        "100.100.100.200",  # Alibaba
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google
        "fd00:c1::a9fe:a9fe",  # Oracle
    )
)
"""Metadata services of clouds, which serve a machine's credentials. None is a camera, whatever networks are allowed."""

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")

SocketAddress = tuple[int, Any]
"""Address family, and what `socket.connect` takes for it."""


@dataclass(frozen=True)
class Endpoint:
    """The parts of a camera's URL. `host` has no brackets; `target` is path and query as in a request line."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def is_secure(self) -> bool:
        """Whether the connection uses TLS."""
        return self.scheme in ("rtsps", "https")

    @property
    def authority(self) -> str:
        """Host and port as in URLs and `Host` headers."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The full URL without credentials. Path and query may hold secrets: never show it."""
        return f"{self.scheme}://{self.authority}{self.target}"

    def __repr__(self) -> str:
        return f"Endpoint({self.scheme}://{self.authority}/...)"


def endpoint_of(url: str) -> Endpoint:
    """Returns the parts of `url`.

    Raises:
        CameraFailed: it is malformed (`bad_data`); the message does not quote it.
    """
    if _UNPRINTABLE.search(url):
        # They would change the request line, or be removed silently.
        raise CameraFailed(CameraError.BAD_DATA, "the address contains invalid characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise CameraFailed(CameraError.BAD_DATA, "the camera's address is malformed") from error
    if not host:
        raise CameraFailed(CameraError.BAD_DATA, "the address has no host")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # A request line is ASCII; other characters are percent-encoded (RFC 3987, section 3.1).
    target = "".join(sign if sign.isascii() else quote(sign, errors="replace") for sign in target)
    if "@" in parts.netloc:
        raise CameraFailed(
            CameraError.BAD_DATA, "the address contains credentials; they are configured separately"
        )
    return Endpoint(parts.scheme, host, port, target)


def checked_addresses(endpoint: Endpoint, settings: Settings) -> list[SocketAddress]:
    """Returns the addresses to connect to, in the order to try them: at most `MOST_ADDRESSES`, IPv6 and IPv4 in turn.

    Every address of the name has to be in an allowed network, so that a name cannot stand for a camera and something else.
    The caller connects to these addresses and never resolves the name again, which defeats DNS rebinding. Blocks for as
    long as the resolver does.

    Raises:
        CameraFailed: the host is unknown (`unreachable`), or not allowed (`address_refused`).
    """
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CameraFailed(CameraError.UNREACHABLE, f"unknown host {endpoint.host}") from error
    addresses: list[SocketAddress] = [(int(entry[0]), entry[4]) for entry in found]
    for _, address in addresses:
        if not allowed(str(address[0]), settings):
            raise CameraFailed(
                CameraError.ADDRESS_REFUSED, f"{address[0]} is in none of the allowed networks"
            )
    if not addresses:
        raise CameraFailed(CameraError.UNREACHABLE, f"unknown host {endpoint.host}")
    # RFC 8305, section 4: the resolver's order, but alternating families, so that an unreachable family costs little.
    first = [item for item in addresses if item[0] == addresses[0][0]]
    others = [item for item in addresses if item[0] != addresses[0][0]]
    in_turn = (item for pair in zip_longest(first, others) for item in pair if item is not None)
    return list(in_turn)[:MOST_ADDRESSES]


def allowed(address: str, settings: Settings) -> bool:
    """Returns whether a camera may have an IP address: it is in an allowed network, and not a metadata service.

    IPv4 inside IPv6 counts as IPv4.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip in _METADATA:
        return False
    networks = (ipaddress.ip_network(network) for network in settings.allowed_networks)
    return any(ip.version == network.version and ip in network for network in networks)
