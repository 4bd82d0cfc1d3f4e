"""Polls a server that may not listen yet, and refuses a connection of a socket to itself.

A client that connects to a port of its own machine without a listener may get the same port as its source. TCP then
connects the socket to itself ("simultaneous open"): the client reads its own request as the answer, and the server can
no longer bind its port. This happens only to ports of the ephemeral range (`net.ipv4.ip_local_port_range`, 32768 and above).
Source: RFC 9293 section 3.5, figure 7.
"""

import http.client
import socket
import struct
from contextlib import closing


class SelfConnected(ConnectionRefusedError):
    """A socket is connected to itself: no server listens there."""


def refuse_self_connection(line: socket.socket) -> None:
    """Checks that the two ends of a connected socket differ.

    Raises:
        SelfConnected: they are the same. Close the socket immediately: it holds the port of the expected server.
    """
    if line.getsockname() == line.getpeername():
        # Close with a reset: an orderly close would occupy the port for a minute (TIME_WAIT).
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise SelfConnected(f"connected to itself at {line.getpeername()}")


def http_status(host: str, port: int, path: str, *, timeout_s: float, source_port: int = 0) -> int | None:
    """Returns the status of one plain GET, or None for any failure, because the server may not be ready yet.

    Args:
        host: a name or an address, without brackets.
        port: the port of the server.
        path: starts with a slash.
        timeout_s: limit of connecting, and of each read.
        source_port: the client's own port; 0 leaves the choice to the system.
    """
    line = http.client.HTTPConnection(host, port, timeout=timeout_s, source_address=("", source_port))
    with closing(line):
        try:
            line.connect()
            refuse_self_connection(line.sock)
            line.request("GET", path)
            return line.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
