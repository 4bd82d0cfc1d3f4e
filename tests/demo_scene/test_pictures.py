"""The pictures: the code in them, the seam of the loop, the figure itself."""

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tools.demo_scene.frame_code import FrameCode, burn_code, read_code
from tools.demo_scene.loop import CAMERAS, FRAMES, HEIGHT, WIDTH
from tools.demo_scene.motion import FOREARM_M, SHIN_M, THIGH_M, UPPER_ARM_M, compute_motion
from tools.demo_scene.overlay import loop_time
from tools.demo_scene.render import is_complete, main

# Whichever test comes first waits for the cameras to be rendered.
pytestmark = pytest.mark.timeout(600)


@given(st.sampled_from(CAMERAS), st.integers(0, FRAMES - 1), st.sampled_from([1.0, 0.5, 0.25, 1 / 6]))
def test_a_code_is_read_at_any_size(camera: str, frame: int, scale: float) -> None:
    picture = np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)
    burn_code(picture, FrameCode(camera, frame))
    small = Image.fromarray(picture).resize(
        (round(WIDTH * scale), round(HEIGHT * scale)), Image.Resampling.BILINEAR
    )
    assert read_code(np.asarray(small)) == FrameCode(camera, frame)


def test_a_damaged_code_is_not_believed() -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    assert read_code(picture) is None
    burn_code(picture, FrameCode("left", 17))
    wrong = picture.copy()
    wrong[-40:, 848:872] = 255 - wrong[-40:, 848:872]  # one bit turned over
    assert read_code(wrong) is None


def test_the_loop_time_is_that_of_the_frame() -> None:
    assert loop_time(0) == "00:00.000"
    assert loop_time(1) == "00:00.033"
    assert loop_time(479) == "00:15.967"


def test_the_loop_joins_without_a_jump(media: Path) -> None:
    with av.open(str(media / "centre.mp4")) as container:
        pictures = [
            frame.to_ndarray(format="gray")[: HEIGHT - 44].astype(np.int16)
            for frame in container.decode(video=0)
        ]
    steps = [float(np.abs(b - a).mean()) for a, b in pairwise(pictures)]
    assert float(np.abs(pictures[0] - pictures[-1]).mean()) <= np.percentile(steps, 95)


def test_bones_keep_their_length_and_feet_stay_above_the_floor() -> None:
    joints = compute_motion().joints
    for side in ("left", "right"):
        for start, end, length_m in (
            ("hip", "knee", THIGH_M), ("knee", "ankle", SHIN_M),
            ("shoulder", "elbow", UPPER_ARM_M), ("elbow", "wrist", FOREARM_M),
        ):  # fmt: skip
            bone = np.linalg.norm(joints[f"{side}_{end}"] - joints[f"{side}_{start}"], axis=1)
            assert bone == pytest.approx(length_m, abs=0.002)
        assert joints[f"{side}_ball"][:, 2].min() > 0.0
        assert joints[f"{side}_heel"][:, 2].min() > 0.0


def test_no_joint_jumps_anywhere_in_the_loop() -> None:
    for name, track in compute_motion().joints.items():
        speed_m_per_frame = np.linalg.norm(np.roll(track, -1, axis=0) - track, axis=1)
        # 0.3 m in a frame is 9 m/s: no dancer's hand is faster.
        assert speed_m_per_frame.max() < 0.3, name


def test_a_complete_folder_is_left_as_it_is(media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert is_complete(media)
    before = (media / "left.mp4").stat().st_mtime_ns
    assert main(["--out", str(media)]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert (media / "left.mp4").stat().st_mtime_ns == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert main(["--out", str(blocked / "media")]) == 1
    assert str(blocked) in capsys.readouterr().err
