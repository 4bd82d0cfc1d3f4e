"""The embedded servers are private, and refuse what they cannot do safely."""

import os
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import redis
from kombu import Connection

from launcher import postgres, server_probe, supervisor, valkey
from launcher.child_process import process_tree
from launcher.errors import SocketPathTooLong, StateUnusable, WrongMajorVersion
from launcher.postgres import EmbeddedPostgres, read_or_create_secret
from launcher.server_probe import ProbedServer
from launcher.service_account import ServiceAccount, socket_folder
from launcher.state_folder import default_state_folder, prepare_state_folder
from launcher.supervisor import Supervisor
from launcher.valkey import EmbeddedValkey
from tests.servers import POSTGRES, VALKEY


@pytest.fixture
def state() -> Iterator[Path]:
    """A state folder that the servers' account can enter, as those of operators are; pytest's own are closed to it."""
    with tempfile.TemporaryDirectory(prefix="3d-state-") as folder:
        yield prepare_state_folder(Path(folder))


def listening_ports(pid: int) -> set[str]:
    """Returns the local TCP addresses that a process listens on."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(link)
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {row[1] for row in rows if row[3] == "0A" and row[9] in inodes}


def test_no_server_listens_on_tcp(state: Path) -> None:
    servers = EmbeddedPostgres(state, durable=False), EmbeddedValkey(state)
    try:
        for server in servers:
            server.start()
            assert server.process is not None
            assert listening_ports(server.process.pid) == set()
            if os.geteuid() == 0:
                assert Path(f"/proc/{server.process.pid}").stat().st_uid != 0
    finally:
        for server in servers:
            server.stop()


def test_a_folder_with_spaces_quotes_and_commas_is_as_good_as_any() -> None:
    with tempfile.TemporaryDirectory(prefix='3d o\'k, "%20" ') as folder:
        Path(folder).chmod(0o711)
        state = prepare_state_folder(Path(folder) / "s")
        database, cache = EmbeddedPostgres(state, durable=False), EmbeddedValkey(state)
        try:
            with psycopg.connect(database.start().application) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            with redis.Redis.from_url(cache.start().cache) as client:
                assert client.ping()
            with Connection(cache.urls().broker) as broker:
                broker.ensure_connection(max_retries=1, timeout=5)
        finally:
            cache.stop()
            database.stop()


def test_a_second_start_finds_the_data_again(state: Path) -> None:
    for turn in (1, 2):
        server = EmbeddedPostgres(state, durable=False)
        urls = server.start()
        try:
            with psycopg.connect(urls.owner) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
                connection.execute("INSERT INTO kept VALUES (1)")
                assert connection.execute("SELECT count(*) FROM kept").fetchone() == (turn,)
        finally:
            server.stop()


def test_a_valkey_that_is_killed_forgets_neither_tokens_nor_tries(state: Path) -> None:
    server = EmbeddedValkey(state)
    try:
        with redis.Redis.from_url(server.start().cache) as client:
            assert client.set("seen", 1, ex=600, nx=True)
            assert [client.incr("tries") for _ in range(5)][-1] == 5
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        with redis.Redis.from_url(server.start().cache) as client:
            assert not client.set("seen", 1, ex=600, nx=True), "a token that was used is good again"
            assert 0 < client.ttl("seen") <= 600
            assert client.incr("tries") == 6
    finally:
        server.stop()


def test_a_valkey_whose_log_is_damaged_starts_without_it(state: Path) -> None:
    server = EmbeddedValkey(state)
    try:
        with redis.Redis.from_url(server.start().cache) as client:
            client.set("seen", 1)
        server.stop()
        (log,) = (state / "valkey").rglob("*.incr.aof")
        log.write_bytes(b"\0" * 100 + log.read_bytes())
        with redis.Redis.from_url(server.start().cache) as client:
            assert client.get("seen") is None
            client.set("seen", 2)
        server.stop()
        with redis.Redis.from_url(server.start().cache) as client:
            assert client.get("seen") == b"2"
    finally:
        server.stop()


def test_a_data_folder_of_another_major_version_is_refused_with_a_way_out(state: Path) -> None:
    server = EmbeddedPostgres(state, durable=False)
    server.start()
    server.stop()
    (state / "postgres" / "PG_VERSION").write_text("14\n")
    with pytest.raises(WrongMajorVersion, match="PostgreSQL 14") as caught:
        EmbeddedPostgres(state, durable=False).start()
    assert "pg_dump" in caught.value.hint


@pytest.mark.parametrize("password", ["", "wrong"])
def test_postgres_and_valkey_refuse_a_wrong_password(password: str) -> None:
    url = POSTGRES.urls("postgres").application
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(url.replace(url.split(":")[2].split("@")[0], password or "x"))
    path = VALKEY.urls().cache.split("@")[1]
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(f"unix://:{password or 'x'}@{path}").ping()


def test_the_application_role_can_neither_change_the_schema_nor_step_out_of_row_security() -> None:
    with psycopg.connect(POSTGRES.urls("threedance").application) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == (False, False, False, False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE mine (n int)")


def test_secrets_are_made_once_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "one"
    secret = read_or_create_secret(path)
    assert len(secret) >= 32
    assert read_or_create_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_state_path_too_long_for_a_socket_gets_a_short_folder_for_it(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    account = ServiceAccount()
    folder = account.make_owned_folder(socket_folder(deep, "postgres", ".s.PGSQL.5432", account))
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(str(folder / ".s.PGSQL.5432"))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        (folder / ".s.PGSQL.5432").unlink(missing_ok=True)
        folder.rmdir()


def test_a_link_where_the_folder_of_a_socket_belongs_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    (tmp_path / "postgres").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateUnusable, match="is a link"):
        ServiceAccount().make_owned_folder(tmp_path / "postgres")
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o755


def test_where_not_even_the_short_folder_fits_the_error_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    long = tmp_path / ("t" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(SocketPathTooLong, match="107"):
        socket_folder(tmp_path / ("d" * 100), "postgres", ".s.PGSQL.5432", ServiceAccount())


def test_a_state_folder_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StateUnusable, match="file") as caught:
        prepare_state_folder(blocked)
    assert "--state" in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs its servers as another account")
def test_root_is_told_when_its_servers_cannot_enter_the_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    state = prepare_state_folder(closed / "state")
    with pytest.raises(StateUnusable, match="cannot enter") as caught:
        EmbeddedPostgres(state).start()
    assert "/var/lib/threedance" in caught.value.hint
    assert default_state_folder() == Path("/var/lib/threedance")


@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedValkey])
def test_a_server_that_hangs_with_all_its_processes_is_replaced_and_keeps_its_data(
    state: Path, monkeypatch: pytest.MonkeyPatch, kind: type[EmbeddedPostgres] | type[EmbeddedValkey]
) -> None:
    monkeypatch.setattr(supervisor, "TICK_S", 0.05)
    monkeypatch.setattr(supervisor, "HUNG_STOP_TIMEOUT_S", 0.3)
    for module in (postgres, valkey):
        monkeypatch.setattr(module, "PROBE_TIMEOUT_S", 2)
    monkeypatch.setattr(server_probe, "PROBE_INTERVAL_S", 0.1)
    server = kind(state)
    server.start()
    probe = ProbedServer(server)
    supervised = Supervisor(probe, hung_after_s=3)
    supervised.mark_started()

    def until(true: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + 60
        while not true():
            supervised.tick()
            assert time.monotonic() < deadline_s, f"it stays {supervised.state}"
            time.sleep(supervisor.TICK_S)

    def is_new() -> bool:
        return supervised.is_up and server.process is not None and server.process.pid != first

    with probe.probing():
        try:
            until(lambda: supervised.is_up)
            if isinstance(server, EmbeddedPostgres):
                with psycopg.connect(server.urls("threedance").owner) as connection:
                    connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
            assert server.process is not None
            first = server.process.pid
            os.kill(
                first, signal.SIGSTOP
            )  # first: it starts no more children, but those it has may still end
            for one in process_tree(first):
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGSTOP)
            until(is_new)
            if isinstance(server, EmbeddedPostgres):
                server._wait(server.urls("postgres").superuser)  # it lives as soon as it replays its log
                with psycopg.connect(server.urls("threedance").owner) as connection:
                    assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
        finally:
            server.stop()


def test_a_server_that_refuses_answers_and_one_that_is_not_there_does_not(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for server in (EmbeddedPostgres(state, durable=False), EmbeddedValkey(state)):
        assert not server.is_responding()
        server.start()
        try:
            assert server.is_responding()
            with monkeypatch.context() as patched:
                patched.setattr("launcher.postgres.read_or_create_secret", lambda path: "wrong")
                patched.setattr("launcher.valkey.read_or_create_secret", lambda path: "wrong")
                assert server.is_responding()
        finally:
            server.stop()
        assert not server.is_responding()
