"""Fixtures for every test.

`db` and `transactional_db` are pytest-django's, on this worker's own PostgreSQL database (see `tests/servers.py`), as the
application role. After a test that commits, the database is made anew from the migrated template: the application role
may not truncate, and must not be able to. `shared_data` is the folder of real footage, or a skip with its reason.

Every statement of every test is watched: none may make a setting of ours that outlives its transaction.

Where `CI` is set, everything a test may need is there (see `.ci/run`): a skip is a failure, but for `MAY_BE_SKIPPED`.
"""

import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.db.backends.signals import connection_created
from django.test import TransactionTestCase

from tests import servers

LASTING = re.compile(r"set_config\([^()]*,\s*false\s*\)|\bset\s+(session\s+)?threedance\.", re.IGNORECASE)
"""A setting of ours that would outlive its transaction, and stay on a pooled connection for its next user."""
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
MAY_BE_SKIPPED = (
    "the real footage",  # too large for the repository, and not ours to give
    "only root",  # about what root alone does, or root alone cannot show
    "root may",
)
TOGETHER = {"e2e": "whole", "web": "whole", "s3": "s3"}
"""Marker -> group of pytest-xdist, run by one worker: what is heavy or timed does not run beside its like."""
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any) -> Iterator[None]:
    """Makes this worker's database."""
    with django_db_blocker.unblock():
        servers.renew_database()
        yield
        connections.close_all()


def _refuse_lasting(execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    assert not LASTING.search(str(sql)), f"this setting outlives its transaction: {sql}"
    return execute(sql, params, many, context)


def _watch(*, connection: Any, **_: Any) -> None:
    if _refuse_lasting not in connection.execute_wrappers:
        connection.execute_wrappers.append(_refuse_lasting)


connection_created.connect(_watch, dispatch_uid="tests.lasting")


def _renew(self: TransactionTestCase) -> None:
    for connection in connections.all():
        connection.close()
        if getattr(connection, "pool", None):
            connection.close_pool()  # type: ignore[attr-defined]
    servers.renew_database()


TransactionTestCase._fixture_teardown = _renew  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Returns the folder of real multi-camera footage that lies beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real footage (../shared/data) is not on this machine")
    return SHARED_DATA


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tells pytest-xdist which tests belong to one worker."""
    for item in items:
        groups = {group for marker, group in TOGETHER.items() if item.get_closest_marker(marker)}
        for group in sorted(groups)[-1:]:
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns the skip of a test into a failure in CI."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turns the skip of a whole module into a failure in CI."""
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not (IN_CI and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(MAY_BE_SKIPPED):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be missing: {reason}"
