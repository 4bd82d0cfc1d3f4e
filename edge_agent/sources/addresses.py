"""The agent's own rules about where a camera may be: a pushed configuration cannot make it talk to anywhere else."""

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
"""Where clouds tell a machine its own keys. None is a camera, whatever network it lies in."""

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")

SocketAddress = tuple[int, Any]
"""Address family, and what `socket.connect` takes for it."""


@dataclass(frozen=True)
class Endpoint:
    """Where a camera's URL points to. `host` has no brackets; `target` is path and query as a request line has them."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def is_secure(self) -> bool:
        """Whether the connection is made with TLS."""
        return self.scheme in ("rtsps", "https")

    @property
    def authority(self) -> str:
        """Host and port as URLs and `Host` headers write them."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address, without credentials. It may hold secrets in path or query: it is never shown."""
        return f"{self.scheme}://{self.authority}{self.target}"

    def __repr__(self) -> str:
        return f"Endpoint({self.scheme}://{self.authority}/...)"


def endpoint_of(url: str) -> Endpoint:
    """Returns where `url` points to.

    Raises:
        CameraFailed: it is no address (`bad_data`); the message shows nothing of it.
    """
    if _UNPRINTABLE.search(url):
        # It would change what the request line says, or be taken out in silence.
        raise CameraFailed(CameraError.BAD_DATA, "the address holds signs that no address has")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise CameraFailed(CameraError.BAD_DATA, "the camera's address cannot be read") from error
    if not host:
        raise CameraFailed(CameraError.BAD_DATA, "the address names no host")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # A request line is ASCII; RFC 3987, section 3.1, says what stands for the rest.
    target = "".join(sign if sign.isascii() else quote(sign, errors="replace") for sign in target)
    if "@" in parts.netloc:
        raise CameraFailed(CameraError.BAD_DATA, "the address holds credentials; they travel on their own")
    return Endpoint(parts.scheme, host, port, target)


def checked_addresses(endpoint: Endpoint, settings: Settings) -> list[SocketAddress]:
    """Returns the addresses to connect to, in the order to try them: at most `MOST_ADDRESSES`, IPv6 and IPv4 in turn.

    Every address that the host's name stands for has to be in an allowed network, so that a name cannot mean a camera
    and something else. The caller connects to these addresses and never looks the name up again: a name that changes
    its meaning a moment later leads nowhere else. Blocks for as long as the resolver does.

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
    # RFC 8305, section 4: the resolver's order, but the families in turn, so that one that leads nowhere costs little.
    first = [item for item in addresses if item[0] == addresses[0][0]]
    others = [item for item in addresses if item[0] != addresses[0][0]]
    in_turn = (item for pair in zip_longest(first, others) for item in pair if item is not None)
    return list(in_turn)[:MOST_ADDRESSES]


def allowed(address: str, settings: Settings) -> bool:
    """Returns whether a camera may be at an IP address: it lies in one of the allowed networks, and is no metadata service.

    IPv4 inside IPv6 counts as IPv4.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip in _METADATA:
        return False
    networks = (ipaddress.ip_network(network) for network in settings.allowed_networks)
    return any(ip.version == network.version and ip in network for network in networks)
