"""Making a clip, and what it shows: its bounds, its cameras, its dancers, and nothing else."""

import math
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from time_machine import travel

from control_plane.audit.models import Entry
from control_plane.clips.endings import delete_clip
from control_plane.clips.models import Clip, ClipSegment
from control_plane.clips.selectors import visible_clips
from control_plane.clips.services import ClipFacts, make_clip
from control_plane.common.errors import BadRequest, Conflict, ControlPlaneError, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.people import services as people
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer
from control_plane.recordings.damage_models import DamageKind, SegmentDamage
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.rosters import save_roster
from control_plane.recordings.shredding import shred_class
from shared.protocol.ids import new_id
from tests.control_plane.clips.player import PARTS, Player, clip_of, segments_of, track_of
from tests.control_plane.conftest import Cast
from tests.control_plane.scenes import Scene

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_clip_plays_its_part_and_nothing_else_of_the_class(scene: Scene) -> None:
    clip = clip_of(scene, 0, 2.5, title="The jump")
    player = Player(scene, clip)
    first, second = segments_of(scene, "left")
    assert player.statuses(first) == {200, 204, 206}
    assert player.picture(first)[4:8] == b"moof"
    assert player.status("bytes", first, fragment=1) == 206
    assert player.status("bytes", first, fragment=2) == 416, "it reaches beyond the end of the clip"
    whole = player.client.get(f"{player.folder}/segments/{first.id}/bytes.m4s")
    assert whole.status_code == 416, "the whole object holds more than the clip"
    assert {player.status(part, second) for part in ("init", "key", "bytes")} == {404}
    body = player.get("timeline", first.track_id, first).json()
    assert (body["class"]["title"], body["class"]["id"]) == ("The jump", str(clip.id))
    assert [len(track["fragments"]) for track in body["tracks"]] == [2, 2]
    playlist = player.get("playlist", first.track_id, first).content.decode()
    assert playlist.count("#EXT-X-BYTERANGE") == 2
    assert str(second.id) not in playlist


def test_it_holds_the_keys_of_its_cameras_and_bounds_alone(scene: Scene) -> None:
    clip = clip_of(scene, 0, 3, track_ids=[track_of(scene, "left").id])
    (first, _), (other, _) = segments_of(scene, "left"), segments_of(scene, "centre")
    with studio_scope(scene.cast.studio.id):
        assert list(ClipSegment.objects.filter(clip=clip).values_list("segment_id", flat=True)) == [first.id]
    assert {Player(scene, clip).status(part, other) for part in ("playlist", "init", "key", "bytes")} == {404}


def test_every_answer_is_uncached_and_each_replay_is_on_record(scene: Scene) -> None:
    clip = clip_of(scene)
    player, (row, _) = Player(scene, clip), segments_of(scene, "left")
    for part in PARTS:
        assert player.get(part, row.track_id, row)["Cache-Control"] == "no-store"
    with studio_scope(scene.cast.studio.id):
        entry = Entry.objects.get(action="clip.replayed")
    assert (entry.object_id, entry.actor_id) == (str(scene.session.id), scene.cast.ivan.id)
    assert entry.details["clip"] == str(clip.id)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"from_s": 3, "to_s": 3}, "begin before it ends"),
        ({"from_s": 4, "to_s": 3}, "begin before it ends"),
        ({"from_s": -1, "to_s": 3}, "begin before it ends"),
        ({"from_s": 0, "to_s": 60}, "within the 6 s"),
        ({"from_s": math.nan, "to_s": 3}, "begin before it ends"),
        ({"from_s": 0, "to_s": math.inf}, "begin before it ends"),
        ({"from_s": 0.1, "to_s": 0.2}, "too short"),
        ({"track_ids": [new_id()]}, "not in this class"),
        ({"dancer_ids": [new_id()]}, "not in this class"),
        ({"days": 0}, "1 to 365 days"),
        ({"days": 366}, "1 to 365 days"),
        ({"title": "x" * 121}, "title"),
    ],
)
def test_a_clip_that_makes_no_sense_is_refused(scene: Scene, facts: dict[str, Any], said: str) -> None:
    wanted = ClipFacts(**{"from_s": 0, "to_s": 3} | facts)
    with pytest.raises(BadRequest, match=said):
        make_clip(scene.session, wanted, actor=scene.cast.alice.actor)
    with studio_scope(scene.cast.studio.id):
        assert not Clip.objects.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": ClassState.FINISHING}, "not complete"),
        ({"roster_confirmed_at": None}, "Confirm the roster"),
    ],
)
def test_a_class_must_be_complete_and_its_roster_confirmed(
    scene: Scene, change: dict[str, Any], said: str
) -> None:
    with studio_scope(scene.cast.studio.id):
        ClassSession.objects.filter(pk=scene.session.pk).update(**change)
    with pytest.raises(Conflict, match=said):
        clip_of(scene)


def test_a_destroyed_class_gives_no_clips(scene: Scene) -> None:
    shred_class(scene.session, confirmation="Ballet", reason="", actor=scene.cast.alice.actor)
    with pytest.raises(Conflict, match="destroyed"):
        clip_of(scene)


@pytest.mark.parametrize(
    ("who", "error"), [("vera", Forbidden), ("gita", NotFound), ("pat", NotFound), ("sam", NotFound)]
)
def test_only_who_may_make_clips_makes_and_deletes_them(
    scene: Scene, who: str, error: type[ControlPlaneError]
) -> None:
    actor = getattr(scene.cast, who).actor
    with pytest.raises(error):
        make_clip(scene.session, ClipFacts(0, 3), actor=actor)
    with pytest.raises(error):
        delete_clip(clip_of(scene), actor=actor)


def test_strangers_and_other_studios_find_no_clip(scene: Scene, other: Cast) -> None:
    clip, (row, _) = clip_of(scene), segments_of(scene, "left")
    for person in (scene.cast.sam, other.alice):
        assert Player(scene, clip, person).statuses(row) == {404}
    theirs = Player(scene, clip, other.alice)
    theirs.folder = theirs.folder.replace(scene.cast.studio.slug, other.studio.slug)
    assert theirs.statuses(row) == {404}


def test_only_who_manages_rosters_chooses_dancers(scene: Scene) -> None:
    with pytest.raises(Forbidden):
        clip_of(scene, dancer_ids=[])
    assert make_clip(
        scene.session, ClipFacts(0, 3, dancer_ids=[]), actor=scene.cast.alice.actor
    ).has_chosen_dancers


def test_a_guardian_sees_the_clips_of_their_own_dancer(scene: Scene, family: Dancer) -> None:
    alice, gita = scene.cast.alice.actor, scene.cast.gita
    other = people.add_dancer(scene.cast.studio, NewDancer("Eve", 2014), actor=alice)
    save_roster(scene.session, [family.id, other.id], confirm=True, actor=alice)
    everyone = clip_of(scene)
    hers = make_clip(scene.session, ClipFacts(0, 3, dancer_ids=[family.id]), actor=alice)
    not_hers = make_clip(scene.session, ClipFacts(0, 3, dancer_ids=[other.id]), actor=alice)
    with studio_scope(scene.cast.studio.id):
        assert set(visible_clips(gita.actor)) == {everyone, hers}
        assert set(visible_clips(scene.cast.vera.actor)) == {everyone, hers, not_hers}
    (row, _) = segments_of(scene, "left")
    assert Player(scene, hers, gita).statuses(row) == {200, 204, 206}
    assert Player(scene, not_hers, gita).statuses(row) == {404}


def test_a_clip_ends_at_its_date(scene: Scene) -> None:
    clip, (row, _) = clip_of(scene, days=3), segments_of(scene, "left")
    player = Player(scene, clip)
    assert player.statuses(row) == {200, 204, 206}
    with travel(timezone.now() + timedelta(days=3, minutes=1), tick=False):
        assert Player(scene, clip).statuses(row) == {410}
        with studio_scope(scene.cast.studio.id):
            assert not visible_clips(scene.cast.alice.actor).exists()


def test_a_damaged_segment_is_not_shown(scene: Scene) -> None:
    clip = clip_of(scene, 0, 6)
    first, second = segments_of(scene, "left")
    with studio_scope(scene.cast.studio.id):
        SegmentDamage.objects.create(
            studio=scene.cast.studio,
            segment=first,
            class_session=scene.session,
            agent_id=first.agent_id,
            kind=DamageKind.HASH,
            detail="other bytes",
        )
    player = Player(scene, clip)
    assert {player.status(part, first) for part in ("init", "key", "bytes")} == {404}
    assert player.status("key", second) == 200
    assert str(first.id) not in player.get("playlist", first.track_id, first).content.decode()
