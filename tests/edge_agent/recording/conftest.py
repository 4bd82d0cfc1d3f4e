"""Pictures for the tests of recorded audio."""

from pathlib import Path

import pytest

from edge_agent.sources.packet import MediaPacket, StreamInfo
from tests.edge_agent.spool.recorded_class import read_media


@pytest.fixture(scope="module")
def quiet(media: Path) -> tuple[StreamInfo, list[MediaPacket]]:
    """Four seconds of pictures without sound."""
    return read_media(media / "quiet.mp4", 4)
