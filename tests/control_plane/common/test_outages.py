"""An outage of the database, the cache or the disk is a plain answer at once, and over as soon as it is over."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings as configured
from django.db import InterfaceError, OperationalError, close_old_connections
from django.test import Client, RequestFactory

from control_plane.common import outages
from control_plane.common.outages import RETRY_AFTER_S, Outages
from control_plane.common.problems import error_response
from shared.kernel.disk import EXHAUSTED_BYTES, MEBIBYTE, DiskSpace
from shared.protocol.codec import decode
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Code, Problem
from tests import servers
from tests.control_plane.conftest import Cast, as_person

PAGE = {"Accept": "text/html"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of the middleware, moved by hand."""
    now_s = [1000.0]

    class Clock:
        monotonic = staticmethod(lambda: now_s[0])

    monkeypatch.setattr(outages, "time", Clock)
    return now_s


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Result of each query."""
    asked: list[str | None] = []
    ask = outages.database_error

    def counted() -> str | None:
        asked.append(ask())
        return asked[-1]

    monkeypatch.setattr(outages, "database_error", counted)
    return asked


@pytest.fixture
def take_away() -> Iterator[Callable[[bool], None]]:
    """Has the server refuse every connection to this worker's database ("too many connections"), or take them again."""
    superuser = servers.POSTGRES.urls("postgres").superuser

    def take(away: bool) -> None:
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {servers.DATABASE} CONNECTION LIMIT {0 if away else -1}")
            if away:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    [servers.DATABASE],
                )

    yield take
    take(False)


def browser(user: Any) -> Client:
    """Returns a browser that shows what the server answers to a failure."""
    client = as_person(user)
    client.raise_request_exception = False
    return client


def test_while_the_database_is_away_people_and_programs_are_told_so_at_once_until_it_is_back(
    committed: Cast,
    take_away: Callable[[bool], None],
    clock: list[float],
    probes: list[str | None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, outages.__name__)
    alice = browser(committed.alice)
    address = f"/studio/{committed.studio.slug}/rooms/"
    assert alice.get(address, headers=PAGE).status_code == 200
    take_away(True)
    found = alice.get(address, headers=PAGE)
    assert (found.status_code, found.get("Retry-After")) == (503, str(RETRY_AFTER_S))
    assert found["Cache-Control"] == "no-store"
    assert "default-src 'self'" in found["Content-Security-Policy"]
    page = found.content.decode()
    assert "restarting" in page
    assert f'href="{address}"' in page
    # It is known now: nobody waits for a connection, and one question a second is asked.
    asked = len(probes)
    for path in (address, "/accounts/login/", "/api/v1/studios/", "/agent/v1/config", "/readyz"):
        refused = alice.get(path)
        assert (refused.status_code, refused["Content-Type"]) == (503, PROBLEM_CONTENT_TYPE)
        problem = decode(refused.content, Problem)
        assert (problem.code, problem.instance) == (Code.UNAVAILABLE, refused["X-Request-Id"])
        assert "agents keep" in problem.detail
    assert len(probes) == asked
    clock[0] += outages.PROBE_EVERY_S
    assert alice.get(address, headers=PAGE).status_code == 503
    assert len(probes) == asked + 1
    assert alice.get("/livez").json() == {"live": True}
    take_away(False)
    clock[0] += outages.PROBE_EVERY_S
    close_old_connections()  # as each request does, but for those of the test client
    assert alice.get(address, headers=PAGE).status_code == 200
    assert alice.get("/readyz").status_code == 200
    said = [record.message for record in caplog.records if record.name == outages.__name__]
    assert said == ["the database does not answer", "recovered"]


def test_a_query_that_fails_by_itself_refuses_nobody_else(db: None, probes: list[str | None]) -> None:
    requests = RequestFactory()
    failing = outages.unavailable(requests.get("/"))
    middleware = Outages(lambda request: failing)
    for _ in range(3):
        assert middleware(requests.get("/rooms/")) is failing
    assert set(probes) == {None}


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("could not write to file: No space left on device"),
        InterfaceError("connection already closed"),
        redis.ConnectionError("Error 111 connecting to unix socket"),
        redis.TimeoutError("Timeout reading from socket"),
    ],
)
def test_a_program_is_told_to_come_again_after_any_kind_of_outage(error: Exception) -> None:
    answer = error_response(error, RequestFactory().get("/agent/v1/intent"))
    assert (answer.status_code, answer.get("Retry-After")) == (503, str(RETRY_AFTER_S))
    assert decode(answer.content, Problem).code is Code.UNAVAILABLE


def space(**values: Any) -> DiskSpace:
    """Returns the space of a disk of 100 GiB that is half full, but for what is named."""
    of = {"total_bytes": 100 << 30, "free_bytes": 50 << 30, "total_inodes": 1_000_000, "free_inodes": 500_000}
    return DiskSpace(**{**of, **values})


@pytest.mark.parametrize(
    ("disk", "low", "exhausted"),
    [
        (space(), False, False),
        (space(free_bytes=2 << 30), False, False),
        (space(free_bytes=(2 << 30) - 1), True, False),
        (space(total_bytes=10 << 30, free_bytes=512 * MEBIBYTE), False, False),
        (space(total_bytes=10 << 30, free_bytes=511 * MEBIBYTE), True, False),
        (space(total_bytes=400 * MEBIBYTE, free_bytes=65 * MEBIBYTE), False, False),
        (space(total_bytes=400 * MEBIBYTE, free_bytes=63 * MEBIBYTE), True, False),
        (space(free_bytes=EXHAUSTED_BYTES - 1), True, True),
        (space(free_inodes=4_999), True, False),
        (space(total_inodes=0, free_inodes=0), False, False),
        (space(is_read_only=True), True, True),
    ],
    ids=str,
)
def test_space_is_low_long_before_the_database_is_in_danger(
    disk: DiskSpace, low: bool, exhausted: bool
) -> None:
    assert (disk.is_low, disk.is_exhausted) == (low, exhausted)


def test_the_page_names_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DiskSpace, "of", classmethod(lambda cls, folder: space(free_bytes=0)))
    request = RequestFactory().get("/rooms/", headers=PAGE)
    page = outages.unavailable(request).content.decode()
    assert "The server&#x27;s disk is full" in page or "The server's disk is full" in page
    assert "the agents in the studios keep recordings" in page
    problem = decode(outages.unavailable(RequestFactory().get("/rooms/")).content, Problem)
    assert "disk is full" in problem.detail


def test_the_disk_of_a_folder_that_is_not_made_yet_is_that_of_the_folder_above() -> None:
    state = configured.STATE_DIR
    assert DiskSpace.of(state / "not" / "made").total_bytes == DiskSpace.of(state).total_bytes
