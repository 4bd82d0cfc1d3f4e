"""Addresses that a store named by a studio may have: none inside our own networks (SSRF protection).

Each connection resolves and checks the name, then connects to the checked address. So a name whose address changes
between check and connection leads nowhere else. Source: RFC 6890, OWASP SSRF Prevention.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from control_plane.common.errors import StoreRefused
from control_plane.common.limited_http import BoundedPool

Network = IPv4Network | IPv6Network
METADATA = tuple(
    ip_network(text)
    for text in (
        "169.254.169.254/32",
        "169.254.170.0/24",
        "168.63.129.16/32",  # Azure's, although a public address
        "192.0.0.0/24",  # Oracle's old one; contains no stores
        "100.100.100.200/32",  # Alibaba's
        "fd00:ec2::/32",
    )
)
"""Addresses where clouds serve the machine's credentials. No setting allows these."""
_SITE_LOCAL = ip_network("fec0::/10")
_NAT64 = ip_network("64:ff9b::/96")


def is_allowed(address: str, allowed: Sequence[Network] = ()) -> bool:
    """Returns whether a store may have an IP address: a public one, or one in the operator's `allowed` networks."""
    ip = _unwrapped(ip_address(address.partition("%")[0]))
    if any(ip in network for network in METADATA if network.version == ip.version):
        return False
    if any(ip in network for network in allowed if network.version == ip.version):
        return True
    # Site-local addresses are deprecated (RFC 3879), but Python considers them global.
    is_inside = isinstance(ip, IPv6Address) and ip in _SITE_LOCAL
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or is_inside)


def resolve(host: str, port: int, allowed: Sequence[Network] = ()) -> str:
    """Returns an allowed address of `host`.

    Raises:
        StoreRefused: any of its addresses is not allowed.
        OSError: the name cannot be resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    if not addresses or not all(is_allowed(address, allowed) for address in addresses):
        raise StoreRefused(
            f"{host} is at an address inside a private network, which is not allowed for a studio's store. Use a public"
            " address, or ask the operator of this installation to allow the network (THREEDANCE_STORE_NETWORKS)."
        )
    return addresses[0]


def is_private_allowed(host: str, allowed: Sequence[Network]) -> bool:
    """Returns whether every address of `host` is in one of the operator's networks.

    Raises:
        OSError: the name cannot be resolved.
    """
    found = {str(item[4][0]) for item in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    ips = [ip_address(address.partition("%")[0]) for address in found]
    return all(any(ip in net for net in allowed if net.version == ip.version) for ip in ips)


def guarded_pool(allowed: Sequence[Network], **options: object) -> BoundedPool:
    """Returns a pool whose connections go only to addresses that `resolve` has checked."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(self, allowed)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(self, allowed)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    manager = BoundedPool(**options)  # type: ignore[arg-type]
    manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return manager


def _connected(connection: HTTPConnection, allowed: Sequence[Network]) -> socket.socket:
    host, port = connection.host, connection.port or connection.default_port
    try:
        address = resolve(host, port, allowed)
        return create_connection(
            (address, port), connection.timeout, connection.source_address, connection.socket_options
        )
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, f"{host} does not answer") from error
    except OSError as error:
        raise NewConnectionError(connection, f"{host} cannot be reached: {error}") from error


def _unwrapped(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Returns the IPv4 address embedded in an IPv6 address, or the address itself."""
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip.sixtofour is not None:
            return ip.sixtofour
        if ip in _NAT64:
            return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip
