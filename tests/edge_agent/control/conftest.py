"""A control plane on localhost, and an agent paired with it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from edge_agent.control.enrolment import pair
from edge_agent.control.identity import Identity, IdentityFolder
from edge_agent.http import HttpClient
from shared.kernel.clock import SystemClock
from tests.rigs.control_plane import ControlPlane


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    """Runs a control plane."""
    with ControlPlane().running() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """Returns an HTTP client."""
    async with HttpClient() as client:
        yield client


@pytest.fixture
async def identity(plane: ControlPlane, http: HttpClient, tmp_path: Path) -> Identity:
    """Returns the identity of an agent that is paired with `plane`."""
    folder = IdentityFolder(tmp_path)
    paired = await pair(plane.url, "BCDF-GHJK", folder, replace=False, http=http, clock=SystemClock())
    return paired.identity
