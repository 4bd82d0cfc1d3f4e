"""The S3 server that the contract is also held against."""

from collections.abc import Iterator

import pytest

from tests.rigs.radosgw import S3Server, missing_programs
from tests.rigs.radosgw import radosgw as running_radosgw


@pytest.fixture(scope="session")
def radosgw() -> Iterator[S3Server]:
    """A real radosgw, or a skip that says what this machine lacks."""
    if missing := missing_programs():
        pytest.skip(
            f"no S3 server here: {', '.join(missing)} missing (Debian: radosgw ceph-mon ceph-osd ceph-mgr)"
        )
    with running_radosgw() as server:
        yield server
