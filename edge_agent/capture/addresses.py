"""The box's own rules about where a camera may be: a pushed configuration cannot make it talk to anywhere else."""

import ipaddress
import socket
from urllib.parse import quote, urlsplit, urlunsplit

from edge_agent.errors import CameraFailed
from edge_agent.settings import Settings
from shared.protocol.config import Credentials
from shared.protocol.status import CameraError

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


def checked_url(url: str, settings: Settings, credentials: Credentials | None) -> str:
    """Returns the address to connect to, with the credentials in it, once its host has passed the box's rules.

    Every address that the host's name stands for must be in an allowed network. Without TLS the checked address
    itself takes the place of the name, so that the name cannot mean another host a moment later.

    Raises:
        CameraFailed: the host is unknown (`unreachable`), or not allowed (`address_refused`).
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise CameraFailed(CameraError.BAD_DATA, f"not an address: {error}") from error
    if not host:
        raise CameraFailed(CameraError.BAD_DATA, "the address names no host")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CameraFailed(CameraError.UNREACHABLE, f"unknown host {host}") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not allowed(address, settings):
            raise CameraFailed(CameraError.ADDRESS_REFUSED, f"{address} is in none of the allowed networks")
    named = host if parts.scheme in ("https", "rtsps") else addresses[0]
    shown = f"[{named}]" if ":" in named else named
    login = ""
    if credentials is not None:
        login = f"{quote(credentials.username, safe='')}:{quote(credentials.password, safe='')}@"
    return urlunsplit((parts.scheme, f"{login}{shown}:{port}", parts.path, parts.query, ""))


def allowed(address: str, settings: Settings) -> bool:
    """Returns whether an IP address lies in one of the allowed networks. IPv4 inside IPv6 counts as IPv4."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    networks = (ipaddress.ip_network(network) for network in settings.allowed_networks)
    return any(ip.version == network.version and ip in network for network in networks)
