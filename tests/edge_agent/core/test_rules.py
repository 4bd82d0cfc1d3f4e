"""The pure rules of the composition root: when a configuration is good, and when a recording has died."""

from datetime import UTC, datetime, timedelta

from edge_agent.core.agent import affects_camera
from edge_agent.core.config_applier import GRACE_S, TRIAL_S, ConfigTrial, TrialResult
from edge_agent.core.watchdog import SILENCE, Watchdog
from edge_agent.settings import Settings
from shared.protocol.config import FileSource, RtspSource
from shared.protocol.ids import CameraId, new_id
from shared.protocol.status import CameraState, CameraStatus

LEFT, RIGHT = CameraId(new_id()), CameraId(new_id())
T0 = datetime(2026, 1, 1, tzinfo=UTC)


def _seen(**states: CameraState) -> dict[CameraId, CameraStatus]:
    ids = {"left": LEFT, "right": RIGHT}
    return {ids[name]: CameraStatus(camera_id=ids[name], state=state) for name, state in states.items()}


def _at(seconds: float) -> int:
    return round(seconds * 1e9)


def test_a_candidate_is_good_once_a_camera_it_left_alone_still_gives_pictures() -> None:
    probation = ConfigTrial(0, frozenset({LEFT, RIGHT}))
    seen = _seen(left=CameraState.CONNECTED, right=CameraState.RETRYING)
    assert probation.result(_at(GRACE_S - 1), seen) is TrialResult.WAIT
    assert probation.result(_at(GRACE_S), seen) is TrialResult.GOOD


def test_a_candidate_is_bad_when_all_that_gave_pictures_before_give_none_for_a_minute() -> None:
    probation = ConfigTrial(0, frozenset({LEFT, RIGHT}))
    seen = _seen(left=CameraState.RETRYING, right=CameraState.CONNECTING)
    assert probation.result(_at(TRIAL_S - 1), seen) is TrialResult.WAIT
    assert probation.result(_at(TRIAL_S), seen) is TrialResult.BAD


def test_without_witnesses_a_candidate_is_good_once_it_has_run_a_while() -> None:
    probation = ConfigTrial(0, frozenset())
    assert probation.result(_at(1), {}) is TrialResult.WAIT
    assert probation.result(_at(GRACE_S), {}) is TrialResult.GOOD


def _closed(at: datetime | None, state: CameraState = CameraState.CONNECTED) -> dict[CameraId, CameraStatus]:
    return {LEFT: CameraStatus(camera_id=LEFT, state=state, last_segment_at=at)}


def test_a_camera_that_closes_segments_is_left_alone() -> None:
    watchdog = Watchdog()
    for minute in range(10):
        now_at = T0 + timedelta(minutes=minute)
        assert watchdog.stalled(now_at, [LEFT], _closed(now_at - timedelta(seconds=6))) == ()


def test_a_camera_that_gives_pictures_but_no_segments_is_named_once_a_minute() -> None:
    watchdog = Watchdog()
    named = [
        second
        for second in range(200)
        if watchdog.stalled(T0 + timedelta(seconds=second), [LEFT], _closed(None))
    ]
    assert named == [60, 120, 180]


def test_a_camera_that_is_not_recorded_or_not_connected_is_not_watched() -> None:
    watchdog = Watchdog()
    for second in range(0, 300, 10):
        now_at = T0 + timedelta(seconds=second)
        assert watchdog.stalled(now_at, [], _closed(None)) == ()
        assert watchdog.stalled(now_at, [LEFT], _closed(None, CameraState.RETRYING)) == ()


def test_a_camera_that_has_just_come_back_has_its_time() -> None:
    watchdog = Watchdog()
    old = T0 - timedelta(hours=1)
    assert watchdog.stalled(T0, [LEFT], _closed(old)) == ()
    assert watchdog.stalled(T0 + SILENCE - timedelta(seconds=1), [LEFT], _closed(old)) == ()
    assert watchdog.stalled(T0 + SILENCE, [LEFT], _closed(old)) == (LEFT,)


def test_new_settings_concern_only_the_cameras_they_are_about() -> None:
    file, rtsp = FileSource(name="a.mp4"), RtspSource(url="rtsp://192.168.1.2/a")
    old, new = Settings(), Settings(media={"a.mp4": "/a.mp4"})
    assert affects_camera(file, old, new)
    assert not affects_camera(FileSource(name="b.mp4"), old, new)
    assert not affects_camera(rtsp, old, new)
    assert affects_camera(rtsp, old, Settings(allowed_networks=("10.0.0.0/8",)))
