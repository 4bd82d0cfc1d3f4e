"""Listening on an address, and which name to give others."""

import errno
import socket

from launcher.errors import StateUnusable

TRIES = 50
BACKLOG = 2048
"""Connections that may wait to be accepted; the system may allow fewer (`net.core.somaxconn`)."""


def listen(host: str, wanted: int) -> socket.socket:
    """Returns a socket that listens on `wanted`, else on the next free port above it; 0 asks for any.

    It is handed to the web process and kept here: nobody can take the port in between, a client that comes while the
    web process is away waits in the queue of the socket, and no poll can be connected to itself.

    Raises:
        StateUnusable: `host` is no address of this machine, or none of fifty ports is free.
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
    """Returns the port that `listen` would take now. Raises as it does."""
    with listen(host, wanted) as probe:
        port: int = probe.getsockname()[1]
        return port


def public_address(host: str, port: int) -> str:
    """Returns the address to give to people: this machine's own name where the server listens on all of its addresses."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104  # compared, not bound
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def allowed_hosts(host: str) -> list[str]:
    """Returns the host names by which a server on `host` may be called."""
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
            # Sends nothing: choosing a route for a documentation address tells which of ours faces the network.
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
        # Inherited by what is accepted: the web process is told nothing of the socket's family, and would not set it.
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind((host, port))
        server.listen(BACKLOG)
    except BaseException:
        server.close()
        raise
    return server
