"""The status board: news of a state go out at once, counters do not."""

from datetime import UTC, datetime
from uuid import uuid4

from edge_agent.capture.status_board import StatusBoard
from shared.protocol.ids import CameraId
from shared.protocol.status import CameraError, CameraState

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_a_change_of_state_is_told_and_a_counter_is_not() -> None:
    board, camera_id, told = StatusBoard(), CameraId(uuid4()), []
    board.on_change(lambda: told.append(board.camera(camera_id).state))
    board.update_camera(camera_id, state=CameraState.CONNECTING)
    board.update_camera(camera_id, fps=29.9, bits_per_s=5_000_000)
    board.count_dropped(camera_id, 3)
    board.count_segment(camera_id, NOON)
    board.update_camera(camera_id, state=CameraState.RETRYING, error=CameraError.REFUSED)
    board.update_camera(camera_id, state=CameraState.RETRYING, error=CameraError.REFUSED, failures_in_row=2)
    assert told == [CameraState.CONNECTING, CameraState.RETRYING]
    status = board.camera(camera_id)
    assert (status.packets_dropped, status.segments_closed, status.last_segment_at) == (3, 1, NOON)


def test_a_camera_that_is_gone_stays_gone() -> None:
    board, camera_id = StatusBoard(), CameraId(uuid4())
    board.update_camera(camera_id)
    board.remove_camera(camera_id)
    board.count_dropped(camera_id, 1)
    board.count_segment(camera_id, NOON)
    assert board.cameras() == ()
