"""Which address to listen on, and which name to give others."""

import socket

from control_plane.supervisor.errors import StateUnusable

TRIES = 50


def pick_port(host: str, wanted: int) -> int:
    """Returns `wanted` if nobody listens there, else the next free one above it; 0 asks for any.

    Raises:
        StateUnusable: `host` is no address of this machine, or none of fifty ports is free.
    """
    if wanted == 0:
        return _bound(host, 0)
    for port in range(wanted, min(wanted + TRIES, 65536)):
        try:
            return _bound(host, port)
        except PermissionError as error:
            raise StateUnusable(f"port {port} is for root alone", "Give --port 1024 or above.") from error
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == 99:
                raise StateUnusable(
                    f"{host} is no address of this machine", "Give another --host."
                ) from error
    raise StateUnusable(f"none of the ports {wanted} to {wanted + TRIES - 1} is free", "Give another --port.")


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


def _bound(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        number: int = probe.getsockname()[1]
        return number
