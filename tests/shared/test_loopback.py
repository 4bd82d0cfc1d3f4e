"""A poll of a port where nobody listens yet is never answered by itself."""

import http.client
import socket
from collections.abc import Iterator

import pytest

from shared.kernel.loopback import SelfConnected, http_status, refuse_self_connection
from tests.rigs.ports import free_port, refusing_port


@pytest.fixture
def line() -> Iterator[socket.socket]:
    """A socket that is connected to itself, as the system does by chance while a server of this machine is away."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.connect(made.getsockname())
        yield made


def test_a_socket_can_be_connected_to_itself_and_is_refused(line: socket.socket) -> None:
    line.sendall(b"GET / HTTP/1.1\r\n")
    assert line.recv(100) == b"GET / HTTP/1.1\r\n"
    with pytest.raises(SelfConnected, match="connected to itself"):
        refuse_self_connection(line)


def test_a_connection_to_a_server_passes() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as line,
    ):
        refuse_self_connection(line)


def can_listen(port: int) -> bool:
    """Says whether a server may take a port now."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_a_poll_that_would_read_its_own_request_reads_nothing() -> None:
    unguarded = free_port()
    client = http.client.HTTPConnection("127.0.0.1", unguarded, timeout=5, source_address=("", unguarded))
    client.request("GET", "/readyz")
    with pytest.raises(http.client.BadStatusLine, match="GET /readyz"):
        client.getresponse()
    client.close()
    port = free_port()
    assert http_status("127.0.0.1", port, "/readyz", timeout_s=5, source_port=port) is None
    assert can_listen(port), "the refused connection still holds the port"


def test_every_failure_of_a_poll_means_not_yet() -> None:
    with refusing_port() as port:
        assert http_status("127.0.0.1", port, "/", timeout_s=5) is None
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert http_status("127.0.0.1", silent.getsockname()[1], "/", timeout_s=0.05) is None
    assert http_status("no-such-host.invalid", 80, "/", timeout_s=5) is None
