"""Fixtures of the tests of updates."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge_agent.update.system import System, make_package


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A computer with version 1.0 installed and running, and nothing released."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("this system has no dpkg")
    made = System(tmp_path)
    made.install("1.0")
    yield made
    made.stop()


@pytest.fixture
def offered(system: System) -> System:
    """That computer, with version 2.0 released, downloaded and asked for."""
    system.publish(make_package(system.folder, "2.0"))
    system.download()
    system.ask()
    return system
