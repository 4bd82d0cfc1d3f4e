"""Fixtures of the tests of keys."""

from pathlib import Path
from typing import Any

import pytest

from control_plane.keys.roots.file import create_root_key


@pytest.fixture
def own_root(settings: Any, tmp_path: Path) -> Path:
    """A root key and a share store of this test alone: it changes them."""
    path: Path = tmp_path / "keys" / "root.key"
    create_root_key(path)
    settings.ROOT_KEY_FILE = path
    return path
