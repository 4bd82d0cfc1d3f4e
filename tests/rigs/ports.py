"""Ports of loopback for servers that are not there yet, or not any more, and for addresses where nobody listens.

A port that the system picks (0) is of the ephemeral range: while nobody listens there, a client that dials it may be
given it as its own and connects to itself (see `shared.kernel.loopback`).
"""

import contextlib
import random
import socket
from collections.abc import Iterator
from pathlib import Path

LOWEST = 15_000
RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """Returns a port that nobody uses now and no client is ever given as its own.

    Raises:
        RuntimeError: there is none.
    """
    ephemeral = int(RANGE.read_text().split()[0]) if RANGE.is_file() else 32_768
    for port in random.sample(range(LOWEST, ephemeral), 200):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"no free port between {LOWEST} and {ephemeral}")


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """Holds a port that refuses every connection for the length of the block: bound, and nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
