"""A taken port is stepped over; an address that is not ours is refused."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from launcher.errors import StateUnusable
from launcher.ports import allowed_hosts, listen, pick_port, public_address


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_gives_way_to_a_free_one_above_it(taken: int) -> None:
    port = pick_port("127.0.0.1", taken)
    assert port > taken
    socket.create_server(("127.0.0.1", port)).close()


def test_a_free_port_is_used_as_asked(taken: int) -> None:
    free = pick_port("127.0.0.1", taken)
    assert pick_port("127.0.0.1", free) == free


def test_zero_asks_for_any_port() -> None:
    assert pick_port("127.0.0.1", 0) > 0


def test_what_is_chosen_is_held_and_two_who_want_one_port_get_two() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with listen("127.0.0.1", port) as second:
            assert second.getsockname()[1] > port
        # A client waits for the web process, which may not be there yet, and is not refused.
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            accepted, _ = first.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert client.getpeername() == first.getsockname()


def test_no_descriptor_is_left_of_the_ports_that_were_taken(taken: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        pick_port("127.0.0.1", taken)
        with contextlib.suppress(StateUnusable):
            pick_port("192.0.2.7", 0)
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_address_of_another_machine_is_refused_by_name() -> None:
    with pytest.raises(StateUnusable, match=r"192\.0\.2\.7") as caught:
        pick_port("192.0.2.7", 8000)
    assert "--host" in caught.value.hint


def test_agents_get_a_reachable_name_when_the_server_listens_on_all_addresses() -> None:
    assert public_address("0.0.0.0", 8000) == f"http://{socket.gethostname()}:8000"
    assert public_address("::1", 80) == "http://[::1]:80"
    assert socket.gethostname() in allowed_hosts("0.0.0.0")
    assert "192.168.1.5" in allowed_hosts("192.168.1.5")


async def says_who_calls(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers every request with the caller's address, as ASGI gives it."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(scope["client"]).encode()})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_web_process_knows_its_callers_through_a_socket_that_it_was_handed(host: str) -> None:
    with listen(host, 0) as server:
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            f"{__name__}:says_who_calls",
            "--fd",
            str(server.fileno()),
        ]
        web = subprocess.Popen([*command, "--log-level", "warning"], pass_fds=[server.fileno()])
        try:
            with socket.create_connection(server.getsockname()[:2], timeout=30) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b""
                while piece := client.recv(1000):
                    answer += piece
                assert str(client.getsockname()[:2]).encode() in answer
        finally:
            web.kill()
            web.wait()
