"""A taken port is stepped over; an address that is not ours is refused."""

import socket
from collections.abc import Iterator

import pytest

from control_plane.supervisor.errors import StateUnusable
from control_plane.supervisor.ports import allowed_hosts, pick_port, public_address


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


def test_an_address_of_another_machine_is_refused_by_name() -> None:
    with pytest.raises(StateUnusable, match=r"192\.0\.2\.7") as caught:
        pick_port("192.0.2.7", 8000)
    assert "--host" in caught.value.hint


def test_boxes_are_given_a_name_they_can_reach_when_every_address_is_listened_on() -> None:
    assert public_address("0.0.0.0", 8000) == f"http://{socket.gethostname()}:8000"
    assert public_address("::1", 80) == "http://[::1]:80"
    assert socket.gethostname() in allowed_hosts("0.0.0.0")
    assert "192.168.1.5" in allowed_hosts("192.168.1.5")
