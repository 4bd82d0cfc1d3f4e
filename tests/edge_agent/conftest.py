"""Fixtures of the agent's tests: an agent in a folder of its own, and small videos with numbered pictures."""

from pathlib import Path

import pytest

from tests.edge_agent.spool.failing_disk import FailingDisk
from tests.edge_agent.spool.recorded_class import Studio
from tests.media import make_video


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """An agent that has recorded nothing yet."""
    return Studio(tmp_path / "state")


@pytest.fixture
def disk() -> FailingDisk:
    """A disk that is well until it is told otherwise."""
    return FailingDisk()


@pytest.fixture(scope="package")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of videos of `take.LOOP` pictures each."""
    folder = tmp_path_factory.mktemp("media")
    make_video(folder / "h264.mp4", audio="aac")
    make_video(folder / "h265.mp4", codec="h265")
    make_video(folder / "bframes.ts", b_frames=2, audio="aac")
    make_video(folder / "pcmu.mov", audio="pcm_mulaw", sample_rate_hz=8000)
    make_video(folder / "opus.mkv", audio="libopus")
    make_video(folder / "quiet.mp4")
    make_video(folder / "large.mp4", size=(640, 360))
    make_video(folder / "intra.mp4", gop=1)
    make_video(folder / "long_gop.mp4", gop=1000, seconds=4)
    return folder
