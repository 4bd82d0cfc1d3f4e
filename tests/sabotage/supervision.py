"""Sabotages of what starts, watches and restarts the processes of a control plane."""

from tests.sabotage.sabotage import Sabotage

_LOOPBACK = "tests/shared/test_loopback.py"
_NETWORKS = "tests/edge_agent/control/test_networks.py"
_PORTS = "tests/supervisor/test_ports.py"

SUPERVISION = (
    Sabotage(
        "a poll may be connected to itself",
        "supervision",
        "shared/kernel/loopback.py",
        "            refuse_self_connection(line.sock)\n",
        "",
        (f"{_LOOPBACK}::test_a_poll_that_would_read_its_own_request_reads_nothing",),
    ),
    Sabotage(
        "the agent talks to itself while the control plane is away",
        "supervision",
        "edge_agent/http.py",
        '    if event == "connection.connect_tcp.complete":',
        '    if event == "connection.connect_unix_socket.complete":',
        (
            f"{_NETWORKS}::"
            "test_a_control_plane_of_this_machine_that_is_away_is_not_answered_for_by_the_agent_itself",
        ),
    ),
    Sabotage(
        "a chosen port is not held",
        "supervision",
        "control_plane/supervisor/ports.py",
        "        server.listen(BACKLOG)\n",
        "",
        (f"{_PORTS}::test_what_is_chosen_is_held_and_two_who_want_one_port_get_two",),
    ),
)
