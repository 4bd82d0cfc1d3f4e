"""The playlist of a class that still arrives: whatever comes, and in whatever order, it only grows at its end."""

import itertools
import random
from datetime import timedelta
from pathlib import Path

import pytest

from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import Segment, Track
from control_plane.recordings.playback.playlist import write_playlist
from control_plane.recordings.selectors import class_timeline
from control_plane.recordings.timeline import TrackFacts, build_timeline
from shared.protocol.ids import new_id
from tests.control_plane.conftest import Cast
from tests.control_plane.footage import START_AT, clock
from tests.control_plane.recordings.test_timeline import AT, LEFT, line, segment
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload


def playlists(scene: Scene) -> dict[str, str]:
    with studio_scope(scene.cast.studio.id):
        session = scene.reread()
        laid_out = class_timeline(session)
        assert laid_out.start_at is None or laid_out.start_at == session.requested_at
        return {
            track.position: write_playlist(
                laid_out.tracks[track.id], start_at=session.requested_at, complete=False
            )
            for track in Track.objects.filter(class_session=session)
            if laid_out.tracks[track.id].placed
        }


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_only_grows_at_its_end(cast: Cast, tmp_path: Path, seed: int) -> None:
    scene = make_scene(cast)
    made = [
        item
        for index, place in enumerate(("left", "right"))
        for item in scene.cuts(
            tmp_path, place, seconds=5, line=clock(start_at=START_AT + timedelta(seconds=2 - index))
        )
    ]
    random.Random(seed).shuffle(made)
    before: dict[str, str] = {}
    for item in made:
        upload(scene, item)
        now = playlists(scene)
        for position, text in before.items():
            assert now[position].startswith(text), position
        before = now
    assert {position: text.count("bytes.m4s") for position, text in before.items()} == {"left": 4, "right": 4}


def test_nothing_is_shown_before_the_first_segment_is_known_to_be_the_first(
    cast: Cast, tmp_path: Path
) -> None:
    scene = make_scene(cast)
    made = scene.cuts(tmp_path, seconds=3, first_sequence=8)
    upload(scene, *made)
    assert playlists(scene) == {}, "number 7 may be of this class too"
    earlier = make_scene(cast, name="Another room")
    with studio_scope(cast.studio.id):
        row = Segment.objects.order_by("sequence")[0]
        row.pk, row.sequence, row.object_key = new_id(), 7, "x"
        row.class_session = earlier.session
        row.track = Track.objects.filter(class_session=earlier.session)[0]
        row.save(force_insert=True)
    assert playlists(scene)["left"].count("bytes.m4s") == 2


def test_a_run_that_was_dated_by_a_clock_that_was_not_set_is_put_beside_its_neighbours() -> None:
    years_s = 20 * 365 * 86_400.0
    window = (AT - timedelta(hours=1), AT + timedelta(hours=2))
    spans = ((0, 1), (1, 2))
    off = segment(1, *spans, run=0, clock=line(-years_s))
    track = TrackFacts(LEFT, [off, segment(2, *spans, run=1), segment(3, *spans, run=2, clock=line(years_s))])
    laid_out = build_timeline([track], window=window)
    assert laid_out.duration_us == 6_000_000
    assert laid_out.start_at == AT - timedelta(seconds=2)
    places = [item.class_us for item in laid_out.tracks[LEFT].placed]
    assert all(later - earlier == 1_000_000 for earlier, later in itertools.pairwise(places))
    assert build_timeline([TrackFacts(LEFT, [off])], window=window).start_at == window[0]
