"""The limit of a class: no more than cameras can have made in its time, whatever its agent says."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from control_plane.common.errors import Conflict
from control_plane.common.scoping import studio_scope
from control_plane.fleet import services as fleet
from control_plane.fleet.models import Camera
from control_plane.ingest import services as ingest
from control_plane.ingest.models import PendingSegment
from control_plane.portal.classes import presenter as classes
from control_plane.recordings import footage_limits as limits
from control_plane.recordings import services
from control_plane.recordings.footage_limits import MAX_FRAGMENTS, MAX_GAPS, FootageLimits
from control_plane.recordings.models import ClassSession, Gap, Segment, Track
from control_plane.recordings.selectors import class_timeline
from shared.protocol.errors import Code
from shared.protocol.ids import CameraId, ClassSessionId, GapId, new_id
from shared.protocol.manifest import GapReason, GapRecord
from shared.protocol.status import RecordingState
from tests.control_plane.footage import START_AT
from tests.control_plane.recordings.test_services import say
from tests.control_plane.scenes import Scene
from tests.control_plane.sending import announce, arrived, codes, commit, put, upload


def of(seconds: float, tracks: int = 3) -> FootageLimits:
    return limits.footage_limits(
        begun_at=START_AT, until_at=START_AT + timedelta(seconds=seconds), tracks=tracks
    )


def test_an_hour_of_cameras_at_twice_the_pace_of_any_fits() -> None:
    hour = of(3600)
    assert hour.fragments >= 3 * 3600 * 4
    assert hour.size_bytes >= 3 * 3600 * 100_000_000 // 8
    assert hour.gaps >= 3 * 3600 // 30


def test_what_fits_grows_with_the_time_and_ends_somewhere() -> None:
    assert of(0).fragments < of(60).fragments < of(600).fragments
    assert of(10**9).fragments == MAX_FRAGMENTS
    assert of(10**9).gaps == MAX_GAPS
    assert of(600, tracks=10**6) == of(600, tracks=limits.MAX_TRACKS)


def test_a_class_that_has_not_begun_can_hold_as_much_as_one_that_begins_now() -> None:
    assert of(-(10**6)) == limits.footage_limits(
        begun_at=START_AT, until_at=START_AT - limits.GRACE, tracks=3
    )


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what every class can hold."""

    def set_to(**values: int) -> None:
        found = FootageLimits(**{"fragments": 100, "size_bytes": 10**9, "gaps": 100} | values)
        monkeypatch.setattr(services, "footage_limits", lambda **_: found)

    return set_to


def test_more_than_a_class_can_hold_is_refused_for_now_before_and_after_it_was_sent(
    scene: Scene, tmp_path: Path, only: Callable[..., None]
) -> None:
    first, second, third = scene.cuts(tmp_path, seconds=3)
    targets = announce(scene, first, second, third)
    for target, made in zip(targets, (first, second, third), strict=True):
        put(target, made.content)
    only(fragments=2)
    answers = commit(scene, first, second, third)
    assert codes(answers) == [None, None, Code.TOO_MANY_REQUESTS]
    assert answers[2].retryable
    assert codes(announce(scene, third)) == [Code.TOO_MANY_REQUESTS]
    assert (len(arrived(scene)), scene.reread().fragment_count) == (2, 2)
    only(fragments=3)
    assert codes(commit(scene, third)) == [None]
    assert codes(commit(scene, first)) == [None], "what is here already takes no place"


def test_bytes_count_as_well(scene: Scene, tmp_path: Path, only: Callable[..., None]) -> None:
    first, second = scene.cuts(tmp_path, seconds=2)
    upload(scene, first)
    size = first.manifest.size_bytes
    assert scene.reread().footage_bytes == size
    only(size_bytes=size + second.manifest.size_bytes - 1)
    assert codes(announce(scene, second)) == [Code.TOO_MANY_REQUESTS]
    with studio_scope(scene.cast.studio.id):
        assert not PendingSegment.objects.exists()


def gap(scene: Scene, from_s: float, to_s: float, position: str = "left") -> GapRecord:
    return GapRecord(
        gap_id=GapId(new_id()),
        class_session_id=ClassSessionId(scene.session.id),
        camera_id=CameraId(scene.cameras[position].id),
        from_at=START_AT + timedelta(seconds=from_s),
        to_at=START_AT + timedelta(seconds=to_s),
        reason=GapReason.CAMERA_OFFLINE,
    )


def settle(scene: Scene, gaps: Sequence[GapRecord]) -> None:
    assert ingest.commit_gaps(gaps, scene.caller) == [one.gap_id for one in gaps]


def count(scene: Scene) -> int:
    with studio_scope(scene.cast.studio.id):
        return Gap.objects.filter(inferred=False).count()


def test_gaps_beyond_what_a_class_can_hold_are_settled_and_not_kept(
    scene: Scene, only: Callable[..., None]
) -> None:
    only(gaps=3)
    reported = [gap(scene, n, n + 0.5) for n in range(5)]
    settle(scene, reported[:2])
    settle(scene, reported)
    assert count(scene) == 3
    settle(scene, reported)
    assert count(scene) == 3


def test_a_batch_of_gaps_of_a_class_that_has_ended_lays_it_out_once(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 gaps in a batch made as many layouts, each of all footage of the class."""
    upload(scene, *scene.cuts(tmp_path, seconds=2))
    scene.stop()
    say(scene, RecordingState.FINISHED)
    assert scene.reread().has_ended
    laid: list[Any] = []

    def counted(*what: Any) -> Any:
        laid.append(1)
        return class_timeline(*what)

    monkeypatch.setattr(services, "class_timeline", counted)
    settle(scene, [gap(scene, n / 64, (n + 1) / 64, "right") for n in range(64)])
    assert len(laid) == 1
    assert count(scene) == 64


def test_of_gaps_without_number_the_longest_get_a_row(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_INFERRED_GAPS", 2)
    made = scene.cuts(tmp_path, seconds=10)
    upload(scene, made[0], made[2], made[6], made[9])
    scene.stop()
    say(scene, RecordingState.FINISHED)
    with studio_scope(scene.cast.studio.id):
        rows = Gap.objects.filter(inferred=True, track__position="left").order_by("from_at")
        all_rows = Gap.objects.filter(inferred=True)
        assert all_rows.count() == 2
        assert {(row.to_at - row.from_at).total_seconds() for row in all_rows} == {10.0}, (
            "of two other cameras"
        )
        assert not rows


def test_a_class_has_so_many_tracks(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MAX_TRACKS", 3)
    with studio_scope(scene.cast.studio.id):
        scene.cameras["late"] = fleet.add_camera(
            scene.room, scene.agent, name="late", position="left", address="file:a.mp4",
            actor=scene.cast.alice.actor,
        )  # fmt: skip
    assert codes(announce(scene, *scene.cuts(tmp_path, "late", seconds=1))) == [Code.SEGMENT_NOT_WANTED]
    assert codes(announce(scene, *scene.cuts(tmp_path, "left", seconds=1))) == [None]
    with studio_scope(scene.cast.studio.id):
        assert Track.objects.count() == 3


def test_classes_started_in_an_hour_are_counted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.stop()
    monkeypatch.setattr(services, "MAX_STARTS_PER_HOUR", 1)
    with studio_scope(scene.cast.studio.id), pytest.raises(Conflict, match="in the last hour"):
        services.start_class(scene.room, actor=scene.cast.ivan.actor)


def test_a_room_that_left_many_classes_unfinished_begins_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.stop()
    monkeypatch.setattr(services, "MAX_UNFINISHED", 1)
    with studio_scope(scene.cast.studio.id), pytest.raises(Conflict, match="still wait for footage"):
        services.start_class(scene.room, actor=scene.cast.ivan.actor)


@pytest.mark.parametrize(
    ("limit", "said"),
    [("MAX_CAMERAS_PER_ROOM", "A room has at most"), ("MAX_CAMERAS_PER_AGENT", "reads 3 cameras")],
)
def test_rooms_and_agents_have_so_many_cameras(
    scene: Scene, limit: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, limit, 3)
    with studio_scope(scene.cast.studio.id):
        with pytest.raises(Conflict, match=said):
            fleet.add_camera(
                scene.room, scene.agent, name="one more", position="left", address="file:a.mp4",
                actor=scene.cast.alice.actor,
            )  # fmt: skip
        camera = Camera.objects.first()
        assert camera is not None
        fleet.change_camera(camera, actor=scene.cast.alice.actor, enabled=False)
        assert Segment.objects.count() == 0


def test_the_list_of_classes_counts_all_gaps_and_draws_the_longest(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classes, "MOST_GAPS_SHOWN", 2)
    upload(scene, *scene.cuts(tmp_path, seconds=10))
    scene.stop()
    with studio_scope(scene.cast.studio.id):
        ClassSession.objects.update(started_at=START_AT, stop_requested_at=START_AT + timedelta(seconds=100))
    settle(scene, [gap(scene, 10 * n, 10 * n + n) for n in range(1, 6)])
    with studio_scope(scene.cast.studio.id):
        (row,) = classes.class_rows([scene.reread()], actor=scene.cast.vera.actor)
    assert (row.gap_count, row.gap_s) == (5, 15.0)
    assert dict(row.lanes)["left"] == [(0.0, 40.0), (44.0, 50.0), (55.0, 100.0)]
