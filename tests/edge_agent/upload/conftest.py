"""Fixtures of the tests of uploads."""

from pathlib import Path

import pytest

from tests.edge_agent.upload.uploads import Uploads


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    """A replicator with nothing to do yet."""
    return Uploads(tmp_path)
