"""The status table: state of cameras, recording, disk, upload and clock, with what to do about each problem."""

import io
from pathlib import Path

import msgspec
from rich.console import Console

from edge_agent.cli.status import view
from edge_agent.local.status_socket import LocalStatus
from shared.protocol.ids import ClassSessionId, SegmentId, new_id
from shared.protocol.status import (
    CameraState,
    ConfigStatus,
    QuarantinedSegment,
    RecordingState,
    Reported,
    UploadStatus,
    WindowState,
)
from shared.protocol.timing import ERROR_BOUND_MOST_US
from tests.edge_agent.cli.local_status import local_status
from tests.rigs.agent_process import agent_command
from tests.shared.examples import CLOCK, STATUS


def _printed(status: LocalStatus, *, bytes_per_s: float | None = None) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(view(status, bytes_per_s=bytes_per_s))
    return console.export_text()


def test_the_table_says_what_each_camera_does_and_what_to_do_about_one_that_fails() -> None:
    text = _printed(local_status())
    assert "Left wall (left)" in text
    assert text.count("The camera refused user or password. (401 Unauthorized)") == 1
    assert "Enter them again" in text
    assert "Mirror (centre)" in text
    assert "h264 1280x720 + pcm_mulaw as AAC" in text
    assert "30.0" in text
    assert "4.80" in text
    assert "rtcp_sr ±0.9 ms" in text


def test_the_table_says_which_sound_is_not_recorded() -> None:
    camera = msgspec.structs.replace(
        STATUS.cameras[1], audio=None, error_detail="its sound (speex) cannot be recorded"
    )
    text = _printed(local_status(status=msgspec.structs.replace(STATUS, cameras=(camera,))))
    assert "its sound (speex) cannot be recorded" in text


def test_the_table_says_how_recording_disk_and_upload_are() -> None:
    text = _printed(local_status(), bytes_per_s=250_000)
    assert "recording" in text
    assert "1.0 GB used, space for 100.0 GB more, 41.5 hours of recording" in text
    assert "2 segments pending, 7 s behind" in text
    assert "2.0 Mb/s up" in text
    assert "1 h 0 min off the server's; recordings are dated by the server's" in text
    assert "known within 12 ms" in text


def test_a_time_that_is_not_known_is_said_so_and_no_bound_is_made_up() -> None:
    clock = msgspec.structs.replace(CLOCK, error_bound_us=ERROR_BOUND_MOST_US)
    camera = msgspec.structs.replace(STATUS.cameras[1], clock=clock)
    text = _printed(
        local_status(clock_error_us=None, status=msgspec.structs.replace(STATUS, cameras=(camera,)))
    )
    assert "not known yet: recordings are dated by the clock of this machine" in text
    assert "off the server's" not in text
    assert "(date not known)" in text
    assert "known within 1 min 40 s" in _printed(local_status(clock_error_us=100_000_000))


def test_the_table_says_plainly_what_is_wrong() -> None:
    spool = msgspec.structs.replace(STATUS.spool, full=True)
    failed = Reported(
        version=12, hash="0" * 64, status=ConfigStatus.FAILED, error="no frames", failed_version=13
    )
    text = _printed(
        local_status(
            link_up=False,
            link_error="no route",
            configuration=failed,
            status=msgspec.structs.replace(STATUS, spool=spool),
        )
    )
    assert "offline: no route" in text
    assert "version 13: no frames" in text
    assert "FULL" in text


def test_an_agent_without_cameras_says_where_to_add_them() -> None:
    assert "add them to this agent's room in the admin" in _printed(
        local_status(cameras=(), status=msgspec.structs.replace(STATUS, cameras=()))
    )


def test_every_state_of_a_camera_and_a_recording_can_be_shown() -> None:
    for camera_state in CameraState:
        for recording_state in RecordingState:
            camera = msgspec.structs.replace(STATUS.cameras[0], state=camera_state, error=None)
            recording = msgspec.structs.replace(STATUS.recordings[0], state=recording_state)
            status = msgspec.structs.replace(STATUS, cameras=(camera,), recordings=(recording,))
            text = _printed(local_status(status=status))
            assert camera_state in text
            assert recording_state in text


def test_why_nothing_is_uploaded_and_what_is_quarantined_is_said_with_the_way_out() -> None:
    aside = QuarantinedSegment(
        segment_id=SegmentId(new_id()),
        class_session_id=ClassSessionId(new_id()),
        camera_id=STATUS.cameras[0].camera_id,
        reason="segment_hash_conflict: Another segment has this id",
    )
    upload = UploadStatus(problem="no way through", hint="mend it", quarantined=3, newest=(aside,))
    text = _printed(
        local_status(
            link_up=False,
            link_error="a login page of this network answers",
            link_hint="Sign in there.",
            status=msgspec.structs.replace(STATUS, upload=upload),
        )
    )
    for said in ("a login page", "Sign in there.", "no way through", "mend it", "3 segments were refused"):
        assert said in text
    assert str(aside.segment_id) in text
    assert "quarantined" not in _printed(local_status())


def test_how_the_last_update_ended_is_said() -> None:
    status = msgspec.structs.replace(STATUS, update="0.2.0: rolled back (not heard)")
    assert "last update" in _printed(local_status(status=status))
    assert "0.2.0: rolled back (not heard)" in _printed(local_status(status=status))
    assert "last update" not in _printed(local_status(status=msgspec.structs.replace(STATUS, update="")))


def test_an_agent_that_waits_for_its_window_says_so_and_looks_well() -> None:
    def said(window: WindowState) -> str:
        upload = msgspec.structs.replace(STATUS.upload, window=window)
        return _printed(local_status(status=msgspec.structs.replace(STATUS, upload=upload)))

    assert "waits for the upload window, from 22:00" in said(WindowState.WAITS)
    assert "outside the upload window, because the disk is nearly full" in said(WindowState.OVERRULED)
    assert "uploads at any time: the agent does not know the time yet" in said(WindowState.UNUSABLE)
    for quiet in (WindowState.OPEN, WindowState.ANY_TIME):
        assert "window" not in said(quiet)


def test_status_says_plainly_that_no_agent_runs(tmp_path: Path) -> None:
    done = agent_command(tmp_path, "status", "--once")
    assert done.returncode == 1
    assert f"no agent runs on {tmp_path}" in done.stderr
    assert f"threedance-agent run --state {tmp_path}" in done.stderr
