"""Listening sockets, and the addresses and host names of a server on this machine."""

import errno
import socket

from launcher.errors import StateUnusable

TRIES = 50
BACKLOG = 2048
"""Connections that may wait for `accept`; the system may allow fewer (`net.core.somaxconn`)."""


def listen(host: str, wanted: int) -> socket.socket:
    """Returns a socket that listens on port `wanted`, or on the next free port above it; 0 means any port.

    The launcher keeps the socket and the web process inherits it. No other process can take the port during a restart,
    clients wait in the queue of the socket meanwhile, and no poll can be connected to itself.

    Raises:
        StateUnusable: `host` is no address of this machine, or none of `TRIES` ports is free.
    """
    for port in range(wanted, min(wanted + TRIES, 65536)) if wanted else (0,):
        try:
            return _listening(host, port)
        except PermissionError as error:
            raise StateUnusable(f"port {port} is for root alone", "Give --port 1024 or above.") from error
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise StateUnusable(
                    f"{host} is no address of this machine", "Give another --host."
                ) from error
    raise StateUnusable(f"none of the ports {wanted} to {wanted + TRIES - 1} is free", "Give another --port.")


def pick_port(host: str, wanted: int) -> int:
    """Returns the port that `listen` would take at present. Raises as it does."""
    with listen(host, wanted) as probe:
        port: int = probe.getsockname()[1]
        return port


def public_address(host: str, port: int) -> str:
    """Returns the address for users: the name of this machine if the server listens on all addresses."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104  # compared, not bound
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def allowed_hosts(host: str) -> list[str]:
    """Returns the host names that a request to a server on `host` may carry."""
    names = {"127.0.0.1", "localhost", "[::1]"}
    if host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        names |= {socket.gethostname(), *_own_addresses()}
    else:
        names.add(f"[{host}]" if ":" in host else host)
    return sorted(names)


def _own_addresses() -> set[str]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except socket.gaierror:
        found = []
    addresses = {str(entry[4][0]) for entry in found}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: the route to a documentation address shows which local address faces the network.
            probe.connect(("192.0.2.1", 9))
            addresses.add(probe.getsockname()[0])
        except OSError:
            return addresses
    return addresses


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it. The web process does not know the family of the socket and would not set it.
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind((host, port))
        server.listen(BACKLOG)
    except BaseException:
        server.close()
        raise
    return server
