"""Takes one of the two walls between studios down, so that the matrix shows that the other holds alone."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db.models import Manager

from control_plane.common import scoping
from tests import servers

WALLS = ("", "filters", "rows")
"""What `THREEDANCE_TEST_MATRIX` may be: nothing is taken down, the application's filters, PostgreSQL's row security."""


def take_down(wall: str, database: str) -> Callable[[], None]:
    """Takes a wall down; returns what puts it back.

    Raises:
        ValueError: there is no such wall.
    """
    if wall not in WALLS:
        raise ValueError(f"THREEDANCE_TEST_MATRIX={wall} is none of {WALLS}")
    if wall == "filters":
        return _without_filters()
    if wall == "rows":
        _without_row_security(database)
    return lambda: None


def _without_filters() -> Callable[[], None]:
    patch = pytest.MonkeyPatch()
    for manager in (scoping.ScopedManager, scoping.StudioManager, scoping.OwnManager):
        patch.setattr(manager, "get_queryset", Manager.get_queryset)
    patch.setattr(scoping.InStudioScope, "as_sql", _true)
    patch.setattr(scoping, "in_scope_sql", lambda: ("TRUE", []))
    return patch.undo


def _true(self: Any, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
    return "TRUE", []


def _without_row_security(database: str) -> None:
    url = servers.POSTGRES.urls(database).owner
    with psycopg.connect(url, autocommit=True) as owner:
        found = owner.execute(
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in found:
            owner.execute(f'ALTER TABLE "{table}" DISABLE ROW LEVEL SECURITY')
