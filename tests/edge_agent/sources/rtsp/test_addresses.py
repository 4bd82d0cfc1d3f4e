"""Addresses of RTSP cameras: the agent connects to the address that it checked, and tries each one of a name."""

import socket
from typing import Any

import pytest

from edge_agent.settings import PRIVATE_NETWORKS, Settings
from edge_agent.sources import addresses, dial
from shared.protocol.status import CameraError
from tests.edge_agent.sources.rtsp.reading import ALICE, HERE, failure, first_pictures_of
from tests.edge_agent.sources.scripted import LOCAL
from tests.rigs.scripted_rtsp import Listener, Picture, ScriptedCamera


def test_a_name_is_refused_when_any_of_its_addresses_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with Listener("127.0.0.1") as camera:

        def found(host: str, port: int, **_: Any) -> list[Any]:
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                for address in ("127.0.0.1", "127.0.0.2")
            ]

        monkeypatch.setattr(socket, "getaddrinfo", found)
        for order in (1, -1):
            monkeypatch.setattr(socket, "getaddrinfo", lambda h, p, o=order, **k: found(h, p)[::o])
            error = failure(f"rtsp://wall.test:{camera.port}/cam", ALICE, HERE)
            assert error.error is CameraError.ADDRESS_REFUSED
            assert "127.0.0.2" in error.detail
        assert camera.visitors == 0


def test_a_name_that_changes_its_meaning_leads_to_the_address_that_was_checked(
    pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = []
    real = socket.getaddrinfo

    def found(host: str, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "wall.test":
            return real(host, port, *args, **kwargs)
        looked_up.append(host)
        address = "127.0.0.1" if len(looked_up) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with ScriptedCamera(pictures) as camera:
        assert len(first_pictures_of(camera.url(host="wall.test"))) == 30
        assert looked_up == ["wall.test"]
        assert camera.requests[0].uri == f"rtsp://wall.test:{camera.port}/cam"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "169.254.1.1",
        "[fe80::1]", "[fd00:ec2::254]", "[fd20:ce::254]", "[::ffff:169.254.169.254]", "100.100.100.200", "8.8.8.8",
        "[::]", "224.0.0.1", "2130706433", "0x7f000001", "127.1",
    ],
)  # fmt: skip
def test_by_default_no_camera_is_on_this_machine_at_a_metadata_service_or_outside(address: str) -> None:
    error = failure(f"rtsp://{address}:554/one", ALICE, Settings())
    assert error.error is CameraError.ADDRESS_REFUSED
    assert "allowed_networks" in error.hint


def test_a_metadata_service_is_no_camera_whatever_is_allowed() -> None:
    everything = Settings(allowed_networks=("0.0.0.0/0", "::/0"))
    for address in ("169.254.169.254", "[fd00:ec2::254]"):
        assert failure(f"rtsp://{address}/one", None, everything).error is CameraError.ADDRESS_REFUSED
    assert not set(PRIVATE_NETWORKS) & {"127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10"}


@pytest.mark.parametrize("order", [1, -1])
def test_each_address_of_a_name_is_tried(
    pictures: list[Picture], monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    def found(host: str, port: int, **_: Any) -> list[Any]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ][::order]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with ScriptedCamera(pictures) as camera:
        assert len(first_pictures_of(camera.url(host="wall.test"))) == 30


def test_an_address_that_never_answers_holds_up_the_next_for_a_moment_only(
    pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.3", 0), backlog=0) as deaf, ScriptedCamera(pictures) as camera:
        # Its queue is full: what comes now hears nothing.
        fillers = []
        for _ in range(3):
            fillers.append(socket.socket())
            fillers[-1].setblocking(False)
            fillers[-1].connect_ex(deaf.getsockname())
        places = [deaf.getsockname(), ("127.0.0.1", camera.port)]
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places],
        )
        monkeypatch.setattr(dial, "CONNECT_TIMEOUT_S", 60.0)
        endpoint = addresses.endpoint_of("rtsp://wall.test/cam")
        with dial.dial(endpoint, LOCAL, timeout_s=5) as connection:
            assert connection.getpeername() == places[1]
        for one in fillers:
            one.close()


def test_the_reasons_of_all_addresses_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        places = [(host, port) for host in ("127.0.0.1", "127.0.0.4")]
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places],
        )
        error = failure("rtsp://wall.test/cam")
    assert error.error is CameraError.UNREACHABLE
    assert error.detail == "127.0.0.1: Connection refused; 127.0.0.4: Connection refused"


def test_a_connection_to_itself_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port of this machine that nobody listens on may be the one that the very socket was given."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.connect(one.getsockname())
        assert dial._failure_of(one) == "Connection refused"
