"""Sabotages of what starts, watches and restarts the processes of a control plane."""

from tests.sabotage.sabotage import Sabotage

_LOOPBACK = "tests/shared/test_loopback.py"
_NETWORKS = "tests/edge_agent/control/test_networks.py"
_PORTS = "tests/launcher/test_ports.py"
_PROCESS = "tests/launcher/test_supervisor.py"
_WATCHDOG = "tests/launcher/test_watchdog.py"
_ACCOUNT = "tests/launcher/test_privileges.py"
_OUTAGES = "tests/control_plane/common/test_outages.py"
_AWAY = (
    f"{_OUTAGES}::test_while_the_database_is_away_people_and_programs_are_told_so_at_once_until_it_is_back"
)

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
        "launcher/ports.py",
        "        server.listen(BACKLOG)\n",
        "",
        (f"{_PORTS}::test_what_is_chosen_is_held_and_two_who_want_one_port_get_two",),
    ),
    Sabotage(
        "a process that ended is not started again",
        "supervision",
        "launcher/supervisor.py",
        "if self.state is ProcessState.BACKING_OFF and now_s >= self._restart_at_s:",
        "if self.state is ProcessState.STOPPED and now_s >= self._restart_at_s:",
        (f"{_PROCESS}::test_a_process_that_ends_is_started_again_after_a_pause",),
    ),
    Sabotage(
        "a process that cannot be started again ends the supervisor",
        "supervision",
        "launcher/supervisor.py",
        "except (OSError, LauncherError, subprocess.SubprocessError) as error:",
        "except LauncherError as error:",
        (f"{_PROCESS}::test_a_process_that_cannot_be_started_is_tried_again",),
    ),
    Sabotage(
        "a process that hangs is left alone",
        "supervision",
        "launcher/supervisor.py",
        "elif self._hang_detector.is_hung(TICK_S, process_cpu_s(pid)):",
        "elif self._hang_detector.is_hung(0, process_cpu_s(pid)):",
        (f"{_PROCESS}::test_a_process_that_was_stopped_is_ended_and_started_again",),
    ),
    Sabotage(
        "a busy process counts as hung",
        "supervision",
        "launcher/watchdog.py",
        "return self._idle_s > limit_s or",
        "return self._silent_s > limit_s or",
        (f"{_WATCHDOG}::test_a_busy_process_gets_four_times_as_long",),
    ),
    Sabotage(
        "only the hung process itself is killed",
        "supervision",
        "launcher/child_process.py",
        "    for one in process_tree(pid):",
        "    for one in [pid]:",
        (f"{_PROCESS}::test_what_a_killed_process_started_is_killed_with_it_also_in_a_group_of_its_own",),
    ),
    Sabotage(
        "logs grow without a bound",
        "supervision",
        "launcher/process_logs.py",
        "            os.truncate(path, 0)\n",
        "",
        (
            "tests/launcher/test_process_logs.py::test_a_log_that_grows_long_is_set_aside_while_its_process_writes_on",
        ),
    ),
    Sabotage(
        "the reserve stays when the disk is full",
        "supervision",
        "launcher/disk_reserve.py",
        "            self.path.unlink()\n",
        "            pass\n",
        (
            "tests/launcher/test_disk_reserve.py::"
            "test_the_reserve_goes_when_the_disk_is_full_and_is_made_again_only_when_space_is_plenty",
        ),
    ),
    Sabotage(
        "footage is taken on a disk that is nearly full",
        "supervision",
        "control_plane/ingest/api.py",
        '    """Answers with a receipt or an upload target for each announced segment."""\n    require_space()\n',
        '    """Answers with a receipt or an upload target for each announced segment."""\n',
        (
            "tests/control_plane/ingest/test_http.py::"
            "test_no_footage_is_taken_while_the_disk_is_nearly_full_and_receipts_are_still_given",
        ),
    ),
    Sabotage(
        "an outage of the database is a fault of ours",
        "supervision",
        "control_plane/common/problems.py",
        "    if isinstance(sys.exc_info()[1], OUTAGES):",
        "    if isinstance(sys.exc_info()[1], Http404):",
        (_AWAY,),
    ),
    Sabotage(
        "while the database is away every request waits for it",
        "supervision",
        "control_plane/common/outages.py",
        "                self._is_away = error is not None\n",
        "                self._is_away = False\n",
        (_AWAY,),
    ),
    Sabotage(
        "a control plane of root's keeps a way back to root",
        "supervision",
        "launcher/privileges.py",
        "            os.setresuid(account.uid, account.uid, account.uid)",
        "            os.setresuid(account.uid, account.uid, 0)",
        (f"{_ACCOUNT}::test_a_process_of_roots_becomes_the_owner_of_the_folder_for_good",),
    ),
    Sabotage(
        "root's groups are kept",
        "supervision",
        "launcher/privileges.py",
        "                os.initgroups(account.name, account.gid)",
        "                pass",
        (f"{_ACCOUNT}::test_a_process_of_roots_becomes_the_owner_of_the_folder_for_good",),
    ),
    Sabotage(
        "a linked file of somebody else's is given away",
        "supervision",
        "launcher/privileges.py",
        "status.st_nlink > 1",
        "status.st_nlink > 9",
        (f"{_ACCOUNT}::test_a_folder_that_was_half_given_away_is_still_roots_and_goes_on",),
    ),
    Sabotage(
        "all of root's home is shown to the account",
        "supervision",
        "launcher/mount_namespace.py",
        "        parts = {path: os.open(path, os.O_PATH) for path in program if folder in path.parents}",
        "        parts = {path: os.open(path.parent, os.O_PATH) for path in program if folder in path.parents}",
        (
            f"{_ACCOUNT}::"
            "test_a_program_in_a_closed_folder_is_opened_for_this_process_and_nothing_else_of_the_folder",
        ),
    ),
    Sabotage(
        "a wrong password is hashed by every backend",
        "sign-in",
        "control_plane/accounts/backend.py",
        '        if user is None and credentials.get("password"):\n            raise PermissionDenied\n',
        "",
        (
            "tests/control_plane/accounts/test_sessions.py::"
            "test_a_try_costs_one_hash_for_any_account_and_outcome",
        ),
    ),
    Sabotage(
        "the doctor keeps silent about a missing mail server",
        "cli",
        "launcher/doctor.py",
        "    if done.returncode == 0:\n        for warning",
        "    if done.returncode != 0:\n        for warning",
        ("tests/launcher/test_cli.py::test_the_doctor_notes_what_the_settings_warn_of",),
    ),
    Sabotage(
        "a restart of Valkey forgets which tokens were used",
        "supervision",
        "launcher/valkey.py",
        '                "appendonly yes",\n',
        '                "appendonly no",\n',
        ("tests/launcher/test_servers.py::test_a_valkey_that_is_killed_forgets_neither_tokens_nor_tries",),
    ),
    Sabotage(
        "a damaged log of Valkey keeps it from starting for ever",
        "supervision",
        "launcher/valkey.py",
        "        log.rename(damaged)\n        return True\n",
        "        return False\n",
        ("tests/launcher/test_servers.py::test_a_valkey_whose_log_is_damaged_starts_without_it",),
    ),
)
