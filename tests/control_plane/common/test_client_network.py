"""Where a request comes from, as proxies of many makes write it, and what limits count it by."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from hypothesis import given
from hypothesis import strategies as st

from control_plane.common.client_network import (
    UNKNOWN_ADDRESS,
    address_of_scope,
    client_address,
    limit_key,
    network_of,
)
from control_plane.common.middleware import ClientAddress

PROXY = "10.0.0.2"


@pytest.fixture
def one_proxy(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("203.0.113.5:4711", "203.0.113.5"),
        ("[2001:db8::5]:4711", "2001:db8::5"),
        ("[2001:db8::5]", "2001:db8::5"),
        ('"[2001:db8::5]:4711"', "2001:db8::5"),
        ("2001:DB8:0:0::5", "2001:db8::5"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("[::ffff:203.0.113.5]:80", "203.0.113.5"),
        ("6.6.6.6, 203.0.113.5:1", "203.0.113.5"),
        ("203.0.113.5,", "203.0.113.5"),
    ],
)
def test_an_address_is_read_with_or_without_its_port(one_proxy: None, written: str, address: str) -> None:
    assert client_address(PROXY, written) == address


@pytest.mark.parametrize(
    "written",
    [
        "unknown", "_hidden", "203.0.113.5:", "203.0.113.5:x", "203.0.113.5:99999", "[2001:db8::5", "[]",
        "[2001:db8::5]4711", "203.0.113.999", "localhost", "6.6.6.6, unknown", "203.0.113.5:4711:1", "\x00", "²:1",
    ],
)  # fmt: skip
def test_what_is_no_address_becomes_nobodys_and_never_ours(one_proxy: None, written: str) -> None:
    address = client_address(PROXY, written)
    assert address == UNKNOWN_ADDRESS
    assert not ip_address(address).is_loopback
    assert network_of(address) == ""


@given(peer=st.text(), written=st.text())
def test_whatever_is_written_gives_an_address(peer: str, written: str) -> None:
    assert str(ip_address(client_address(peer, written))) == client_address(peer, written)


def test_without_a_proxy_of_ours_the_header_is_not_believed(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 0
    assert client_address("198.51.100.7", "203.0.113.5") == "198.51.100.7"
    assert client_address("", "203.0.113.5") == UNKNOWN_ADDRESS  # a unix socket


def _by_http(header: str) -> str:
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": PROXY, "HTTP_X_FORWARDED_FOR": header}
    seen = []

    def answer(request: HttpRequest) -> HttpResponse:
        seen.append(request.META["REMOTE_ADDR"])
        return HttpResponse()

    ClientAddress(answer)(request)
    return str(seen[0])


def _by_websocket(header: str) -> str:
    first, _, rest = header.partition(",")
    lines = [(b"x-forwarded-for", line.encode("latin-1")) for line in (first, rest) if line]
    return address_of_scope({"client": (PROXY, 1), "headers": [(b"host", b"x"), *lines]})


@pytest.mark.parametrize("way", [_by_http, _by_websocket])
def test_pages_and_agents_sockets_read_the_same_address(one_proxy: None, way: Callable[[str], str]) -> None:
    assert way("6.6.6.6,203.0.113.5:4711") == "203.0.113.5"
    assert way("[2001:db8::5]:4711") == "2001:db8::5"
    assert way("6.6.6.6,nonsense") == UNKNOWN_ADDRESS


def test_limits_count_an_ipv6_network_of_64_bits_as_one_caller() -> None:
    assert limit_key("2001:db8:1:2::5") == limit_key("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert limit_key("2001:db8:1:3::5") != limit_key("2001:db8:1:2::5")
    assert limit_key("203.0.113.5") == limit_key("::ffff:203.0.113.5") == "203.0.113.5"
    assert limit_key("203.0.113.6") != limit_key("203.0.113.5")
    assert limit_key("nonsense") == UNKNOWN_ADDRESS
