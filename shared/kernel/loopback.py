"""Polls of a server that may not listen yet, safe from a connection of a socket to itself.

A client that dials a port of its own machine where nobody listens may be given that very port as its source. TCP then
connects the socket to itself ("simultaneous open"): the client reads its own request as the answer, and the server can
no longer bind its port. It needs a port of the ephemeral range (`net.ipv4.ip_local_port_range`, 32768 and above).
Source: RFC 9293 section 3.5, figure 7.
"""

import http.client
import socket
import struct
from contextlib import closing


class SelfConnected(ConnectionRefusedError):
    """A socket is connected to itself: nobody else listens there."""


def refuse_self_connection(line: socket.socket) -> None:
    """Passes where the two ends of a connected socket differ.

    Raises:
        SelfConnected: they are the same. Close the socket at once: it holds the port of the server that should come.
    """
    if line.getsockname() == line.getpeername():
        # Closed with a reset: after an orderly close the port would stay taken for a minute (TIME_WAIT).
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise SelfConnected(f"connected to itself at {line.getpeername()}")


def http_status(host: str, port: int, path: str, *, timeout_s: float, source_port: int = 0) -> int | None:
    """Returns the status of one plain GET, or None where no HTTP server answers (yet), whatever the failure is.

    Args:
        host: a name or an address, without brackets.
        port: where the server should listen.
        path: starts with a slash.
        timeout_s: how long connecting, and each read, may take.
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
