"""The two studios of the matrix, in a database of their own: made once in each process, undone after each test."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, connections

from tests import servers
from tests.matrix.actors import Asker, make_askers
from tests.matrix.cells import Desk
from tests.matrix.policy import Policy, read_policy
from tests.matrix.walls import take_down
from tests.matrix.world import World, make_world

DATABASE = f"threedance_matrix_{servers.WORKER}"
_MADE: dict[str, Any] = {}


@pytest.fixture(scope="package")
def world(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[World]:
    """Both studios; while a test of this package runs, Django's database is the one that holds them."""
    folder: Path = tmp_path_factory.getbasetemp() / "matrix"
    folder.mkdir(exist_ok=True)
    kept = {name: getattr(django_settings, name, None) for name in ("ACCOUNT_RATE_LIMITS",)}
    # Thousands of calls by one person are what the limits are there to stop.
    django_settings.ACCOUNT_RATE_LIMITS = False
    # Each refusal would be written out with its traceback.
    logging.disable(logging.WARNING)
    with django_db_blocker.unblock():
        if "world" not in _MADE:
            servers.drop_database(DATABASE)
            servers.POSTGRES.create_database(DATABASE, template=servers.TEMPLATE)
        _use(DATABASE)
        if "world" not in _MADE:
            _MADE["world"] = make_world(folder)
            _MADE["askers"] = make_askers(_MADE["world"])
        undo = take_down(os.environ.get("THREEDANCE_TEST_MATRIX", ""), DATABASE)
        yield _MADE["world"]
        undo()
        _use(servers.DATABASE)
    logging.disable(logging.NOTSET)
    for name, value in kept.items():
        setattr(django_settings, name, value)


@pytest.fixture(scope="package")
def askers(world: World) -> dict[str, Asker]:
    """Everybody who asks, by name."""
    made: dict[str, Asker] = _MADE["askers"]
    return made


@pytest.fixture(scope="package")
def policy() -> Policy:
    """The table."""
    return read_policy()


@pytest.fixture
def desk(world: World, db: None) -> Desk:
    """Where calls are sent; what they write is undone after the test."""
    return Desk(world)


def _use(database: str) -> None:
    connection.close()
    if getattr(connection, "pool", None):
        connection.close_pool()  # type: ignore[attr-defined]
    connections.settings["default"]["NAME"] = database
    connection.settings_dict["NAME"] = database
