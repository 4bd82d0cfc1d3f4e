"""`threedance up` as a process: ready, alone on its folder, mended, stopped without a trace, and its data found again."""

import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from launcher.privileges import UnixAccount
from launcher.stack import read_runtime_info

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
PROGRAM = [sys.executable, "-m", "launcher.cli"]
READY_S = 120.0


def clean_environment() -> dict[str, str]:
    """Returns the environment without what the tests told themselves."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("THREEDANCE_", "DJANGO_"))
    }


def until(true: Callable[[], Any], timeout_s: float, why: str) -> Any:
    """Waits for something that another process does, and returns it."""
    deadline_s = time.monotonic() + timeout_s
    while not (value := true()):
        assert time.monotonic() < deadline_s, why
        time.sleep(0.05)
    return value


def processes_of(state: Path) -> set[int]:
    """Returns every process that has the state folder on its command line or in its environment."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(state) in told:
                found.add(int(folder.name))
    return found


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `threedance` to its end."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def up(
    state: Path, *arguments: str, program: Sequence[str] = PROGRAM
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Runs the control plane, and gives the process and what it wrote of itself when it was ready."""
    out = state.parent / "out.txt"
    with out.open("w") as file:
        process = subprocess.Popen(
            [*program, "up", "--state", str(state), *arguments],
            env=clean_environment(), stdout=file, stderr=file, text=True,
        )  # fmt: skip
    try:

        def ready() -> dict[str, object] | None:
            assert process.poll() is None, out.read_text()
            return read_runtime_info(state)

        yield process, until(ready, READY_S, "it never got ready")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, out.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def status_of(url: str) -> int:
    """Returns the HTTP status of an address; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # an address of ours
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def answer_to(url: str, request: bytes) -> bytes:
    """Returns what comes back for raw bytes, until the server ends the connection."""
    host, _, port = url.removeprefix("http://").partition(":")
    said = b""
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        while piece := connection.recv(65_536):
            said += piece
    return said


def database_process(state: Path) -> int:
    """Returns the number of the database's process as it wrote it down; 0 where it has not."""
    try:
        return int((state / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return 0


def give_back_to_root(state: Path) -> None:
    """Makes a state folder as versions before this one left it: root's, but for what the servers ran on."""
    nobody = pwd.getpwnam("nobody")
    for path in (state, *state.rglob("*")):
        is_servers = "postgres" in path.relative_to(state).parts or "valkey" in path.relative_to(state).parts
        is_key = path.parent.name == "keys"
        owner = (nobody.pw_uid, nobody.pw_gid) if is_servers and not is_key else (0, 0)
        os.chown(path, *owner, follow_symlinks=False)


@pytest.fixture
def state() -> Iterator[Path]:
    """A place for a state folder that the servers' account can enter."""
    with tempfile.TemporaryDirectory(prefix="3d-up-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "state"


def test_up_is_ready_mends_itself_stops_whole_and_finds_its_data_again(state: Path) -> None:
    report = state.parent / "report.json"
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with up(state, "--port", str(taken), "--report", str(report)) as (process, facts):
            url = facts["url"]
            # It took the next free port, said so, and timed its steps.
            assert f"port {taken} is taken" in (state.parent / "out.txt").read_text()
            assert not url.endswith(f":{taken}")
            reported = json.loads(report.read_text())
            assert all(reported[name] == facts[name] for name in ("url", "pid", "started_at", "steps"))
            assert facts["pid"] == process.pid
            assert [step["name"] for step in facts["steps"]][-1] == "web"
            assert all(step["seconds"] >= 0 for step in facts["steps"])
            assert status_of(f"{url}/readyz") == status_of(f"{url}/livez") == 200
            # Its connections have bounds (tests/control_plane/config/test_connections.py).
            assert b" 431 " in answer_to(url, b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 101 + b"\r\n")

            # Nothing of it is root, and nobody else shares its account.
            if os.geteuid() == 0:
                whose = {Path(f"/proc/{pid}").stat().st_uid for pid in processes_of(state)}
                assert whose == {UnixAccount.ensure().uid}

            # A second one on the same folder is refused, and harms nothing.
            second = command("up", "--state", str(state))
            assert second.returncode == 1
            assert "already runs" in second.stderr
            assert f"process {process.pid}" in second.stderr

            # The first admin comes in by a one-time link; there is no password.
            made = command("admin", "create", "alice@example.org", "--state", str(state))
            assert made.returncode == 0, made.stderr
            link = re.search(r"http://\S+", made.stdout)
            assert link is not None
            assert status_of(link.group()) == 200

            # The doctor finds nothing wrong, and a key that others can read at once.
            healthy = command("doctor", "--state", str(state))
            assert healthy.returncode == 0, healthy.stdout
            (state / "keys" / "valkey").chmod(0o644)
            ill = command("doctor", "--state", str(state))
            assert ill.returncode == 1
            assert "chmod 600" in ill.stdout
            (state / "keys" / "valkey").chmod(0o600)

            # The database is killed: it comes back, and the web with it.
            killed = database_process(state)
            os.kill(killed, signal.SIGKILL)
            until(lambda: database_process(state) not in (0, killed), 30, "the fault was never seen")
            until(lambda: status_of(f"{url}/readyz") == 200, 60, "the database did not come back")
        until(lambda: not processes_of(state), 10, "something it started still runs")
        assert read_runtime_info(state) is None
        stopped = command("doctor", "--state", str(state))
        assert stopped.returncode == 1
        assert f"threedance up --state {state}" in stopped.stdout

    if os.geteuid() == 0:
        give_back_to_root(state)
    with up(state, "--port", "0"):
        assert state.stat().st_uid == (state / "keys" / "root.key").stat().st_uid
        again = command("manage", "--state", str(state), "shell", "-v", "0", "-c", COUNT)
        assert again.stdout.strip() == "1", again.stderr


COUNT = "from control_plane.accounts.models import User; print(User.objects.filter(email='alice@example.org').count())"


def test_a_supervisor_killed_outright_leaves_nothing_running_and_the_next_start_works(state: Path) -> None:
    with pytest.raises(AssertionError), up(state, "--port", "0") as (process, _):  # noqa: PT012  # its end is the point
        process.kill()
        process.wait()
    assert read_runtime_info(state) is None
    with up(state, "--port", "0") as (_, facts):
        assert status_of(f"{facts['url']}/readyz") == 200
    until(lambda: not processes_of(state), 10, "something it started still runs")


@pytest.mark.parametrize("arguments", [["admin", "create", "a@example.org"], ["manage", "check"]])
def test_a_command_without_a_running_control_plane_says_how_to_start_one(
    state: Path, arguments: list[str]
) -> None:
    done = command(*arguments, "--state", str(state))
    assert done.returncode == 1
    assert f"threedance up --state {state}" in done.stderr


IMPATIENT = """
from launcher import stack, supervisor
stack.HUNG_AFTER_S.update(web=6.0, worker=6.0, beat=15.0)
supervisor.HUNG_STOP_TIMEOUT_S = 1.0
from launcher.cli import main
main()
"""


def test_processes_that_hang_are_replaced_and_those_that_do_not_are_left_alone(state: Path) -> None:
    with up(state, "--port", "0", program=[sys.executable, "-c", IMPATIENT]) as (_, facts):

        def processes() -> dict[str, dict[str, Any]]:
            found = read_runtime_info(state)
            assert found is not None
            told: dict[str, dict[str, Any]] = found["processes"]  # type: ignore[assignment]
            return told

        def all_up() -> bool:
            return all(one["is_up"] for one in processes().values())

        def replaced(name: str) -> bool:
            now = processes()[name]
            return bool(now["is_up"] and now["pid"] != before[name]["pid"])

        until(all_up, 60, "not everything came up")
        before = processes()
        hung = ("web", "worker", "beat")
        for name in hung:
            os.kill(before[name]["pid"], signal.SIGSTOP)
        until(lambda: all(replaced(name) for name in hung), 120, "what hangs was not replaced")
        assert status_of(f"{facts['url']}/readyz") == 200
        after = processes()
        for name in set(before) - set(hung):
            assert after[name]["pid"] == before[name]["pid"], f"{name} was replaced as well"
        assert not any(Path(f"/proc/{before[name]['pid']}").exists() for name in hung)
