"""What every test may use.

`db` and `transactional_db` are pytest-django's, on this worker's own PostgreSQL database (see `tests/servers.py`), as the
application role. After a test that commits, the database is made anew from the migrated template: the application role
may not truncate, and must not be able to. `shared_data` is the folder of real footage, or a skip with its reason.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import TransactionTestCase

from tests import servers

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any) -> Iterator[None]:
    """Makes this worker's database."""
    with django_db_blocker.unblock():
        servers.renew_database()
        yield
        connections.close_all()


def _renew(self: TransactionTestCase) -> None:
    for connection in connections.all():
        connection.close()
        if getattr(connection, "pool", None):
            connection.close_pool()
    servers.renew_database()


TransactionTestCase._fixture_teardown = _renew  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Returns the folder of real multi-camera footage that lies beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real footage (../shared/data) is not on this machine")
    return SHARED_DATA
