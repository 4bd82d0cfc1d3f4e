"""After the outermost scope nothing of it is left on the connection, which goes back to the pool for somebody else.

Everything here commits: inside a test's own transaction a scope is a savepoint, whose end is another one's.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import httpx
import pytest
from celery import shared_task
from django.conf import settings as configured
from django.db import DatabaseError, connection, connections, transaction

from control_plane.common.scoping import (
    CAPABILITIES,
    capability_scope,
    platform_scope,
    studio_scope,
    user_scope,
)
from control_plane.fleet.gateway import _with_connection
from control_plane.tenancy.models import Membership, Room
from tests.conftest import LASTING
from tests.control_plane.common.test_row_security import tenant_models, unfiltered
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.live import serve
from tests.control_plane.scenes import make_scene

SETTINGS = [f"threedance.{name}" for name in ("studio_id", "user_id", "platform", *CAPABILITIES)]
Open = Callable[[Cast], AbstractContextManager[None]]
SCOPES: dict[str, Open] = {
    "studio": lambda cast: studio_scope(cast.studio.id),
    "person": lambda cast: user_scope(cast.vera.id),
    "platform": lambda cast: platform_scope("test"),
    "capability": lambda cast: capability_scope("pairing_hash", "00"),
}


def backend() -> int:
    """Returns which connection of PostgreSQL this thread has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def left_behind() -> dict[str, str]:
    """Returns what is set on this thread's connection; empty: nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"current_setting('{name}', true)" for name in SETTINGS))
        return {name: value for name, value in zip(SETTINGS, cursor.fetchone(), strict=True) if value}


def assert_closed() -> None:
    assert left_behind() == {}
    for model in tenant_models():
        assert unfiltered(model).count() == 0, model._meta.label


@pytest.fixture
def pooled(committed: Cast) -> Cast:
    """A studio that is there, and this thread on a connection that no scope has touched."""
    make_scene(committed)
    connections.close_all()
    assert_closed()
    return committed


@pytest.mark.parametrize("kind", SCOPES)
def test_nothing_is_left_of_a_scope(pooled: Cast, kind: str) -> None:
    before = backend()
    with SCOPES[kind](pooled):
        assert left_behind() != {}
    assert backend() == before
    assert_closed()


@pytest.mark.parametrize("kind", SCOPES)
def test_nothing_is_left_of_a_scope_that_an_exception_ends(pooled: Cast, kind: str) -> None:
    before = backend()
    with pytest.raises(RuntimeError, match="stop"), SCOPES[kind](pooled):
        raise RuntimeError("stop")
    with pytest.raises(DatabaseError), SCOPES[kind](pooled), connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    assert backend() == before
    assert_closed()


def test_nothing_is_left_of_scopes_in_scopes(pooled: Cast) -> None:
    before = backend()
    with user_scope(pooled.vera.id):
        with (
            studio_scope(pooled.studio.id),
            contextlib.suppress(RuntimeError),
            studio_scope(pooled.studio.id),
        ):
            raise RuntimeError
        with capability_scope("pairing_hash", "00"):
            pass
        with contextlib.suppress(ValueError), studio_scope(pooled.studio.id):
            transaction.set_rollback(True)
            raise ValueError
    assert backend() == before
    assert_closed()


def test_nothing_is_left_of_a_scope_within_a_transaction_of_others(pooled: Cast) -> None:
    with transaction.atomic():
        with studio_scope(pooled.studio.id):
            assert Membership.objects.count() == 5
        assert_closed()
    assert_closed()


@shared_task(name="tests.touch_rooms")
def touch_rooms(*, studio_id: str, fails: bool = False) -> None:
    assert Room.objects.count() == 1
    if fails:
        raise RuntimeError("stop")


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_of_a_task(pooled: Cast, fails: bool) -> None:
    with contextlib.suppress(RuntimeError):
        touch_rooms(studio_id=str(pooled.studio.id), fails=fails)
    assert_closed_in_the_pool()


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_of_what_a_socket_asks(pooled: Cast, fails: bool) -> None:
    def ask() -> None:
        with studio_scope(pooled.studio.id):
            assert Room.objects.count() == 1
            if fails:
                raise RuntimeError("stop")

    with contextlib.suppress(RuntimeError):
        _with_connection(ask)
    assert_closed_in_the_pool()


@pytest.mark.parametrize("who", ["vera", "sam", None])
def test_nothing_is_left_of_a_request(pooled: Cast, who: str | None) -> None:
    address = f"/studio/{pooled.studio.slug}/classes/"
    cookies = {}
    if who is not None:
        client = as_person(getattr(pooled, who))
        cookies = {configured.SESSION_COOKIE_NAME: client.cookies[configured.SESSION_COOKIE_NAME].value}
    with serve() as url:
        for _ in range(12):
            httpx.get(f"{url}{address}", cookies=cookies)
    assert_closed_in_the_pool()


def assert_closed_in_the_pool() -> None:
    """Looks at every connection that waits in the pool for its next user."""
    connections.close_all()
    with contextlib.ExitStack() as stack:
        seen: set[int] = set()
        for _ in range(connection.settings_dict["OPTIONS"]["pool"]["max_size"]):
            stack.enter_context(_another_thread(seen))
        assert seen


@contextlib.contextmanager
def _another_thread(seen: set[int]) -> Iterator[None]:
    """Has a thread look at a connection of its own, and hold it until the block ends."""
    looked, end, failed = threading.Event(), threading.Event(), list[BaseException]()

    def look() -> None:
        try:
            assert_closed()
            seen.add(backend())
        except BaseException as error:  # it is raised in the test
            failed.append(error)
        finally:
            looked.set()
            end.wait(20)
            connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    assert looked.wait(20)
    try:
        if failed:
            raise failed[0]
        yield
    finally:
        end.set()
        thread.join(20)


@pytest.mark.parametrize(
    ("statement", "lasts"),
    [
        ("SELECT set_config('threedance.studio_id', %s, false)", True),
        (
            "SELECT set_config('threedance.studio_id', '', true), set_config('threedance.user_id', %s, false)",
            True,
        ),
        ("SET threedance.studio_id = 'x'", True),
        ("set session threedance.platform to 'on'", True),
        ("SELECT set_config('threedance.studio_id', %s, true)", False),
        ("SET LOCAL threedance.studio_id = 'x'", False),
        ("UPDATE tenancy_room SET name = 'false'", False),
    ],
)
def test_every_statement_of_the_tests_is_watched_for_settings_that_last(
    db: None, statement: str, lasts: bool
) -> None:
    assert bool(LASTING.search(statement)) is lasts
    if lasts:
        with pytest.raises(AssertionError, match="outlives"), connection.cursor() as cursor:
            cursor.execute(statement, ["x"] if "%s" in statement else None)
