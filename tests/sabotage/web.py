"""Sabotages of what the web process takes from strangers: addresses, connections, bodies, logs."""

from tests.sabotage.sabotage import Sabotage

_CALLER = "control_plane/common/caller.py"
_TEST_CALLER = "tests/control_plane/common/test_caller.py"

WEB = (
    Sabotage(
        "a port in X-Forwarded-For makes the caller unknown",
        "web",
        _CALLER,
        '    elif text.count(":") == 1:',
        '    elif text.count(":") == 99:',
        (f"{_TEST_CALLER}::test_an_address_is_read_with_or_without_its_port",),
    ),
    Sabotage(
        "a caller whose address is unknown counts as this machine",
        "web",
        _CALLER,
        "        if entries:\n            _unreadable.failed()\n        return UNKNOWN_ADDRESS",
        '        return "127.0.0.1"',
        (f"{_TEST_CALLER}::test_what_is_no_address_becomes_nobodys_and_never_ours",),
    ),
    Sabotage(
        "agents' sockets are noted with the proxy's address",
        "web",
        "control_plane/fleet/gateway.py",
        "address=address_of_scope(scope)",
        'address=str(scope["client"][0])',
        (
            "tests/control_plane/fleet/test_gateway.py"
            "::test_two_boxes_with_one_identity_are_noticed_and_a_reconnect_is_not",
        ),
    ),
    Sabotage(
        "each address of an IPv6 network has tries of its own",
        "web",
        _CALLER,
        "LIMITED_PREFIX_V6 = 64",
        "LIMITED_PREFIX_V6 = 128",
        (
            "tests/control_plane/fleet/test_pairing.py"
            "::test_over_http_refusals_say_what_to_do_and_tries_are_limited",
        ),
    ),
)
