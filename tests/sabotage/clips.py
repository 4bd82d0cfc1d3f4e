"""Sabotages of clips: what they show, what they keep, and how they end."""

from tests.sabotage.sabotage import Sabotage

_VIEWS = "control_plane/clips/views.py"
_SERVICES = "control_plane/clips/services.py"
_ENDINGS = "control_plane/clips/endings.py"
_SELECTORS = "control_plane/clips/selectors.py"
_SUBSCRIPTIONS = "control_plane/clips/subscriptions.py"
_MAKING = "tests/control_plane/clips/test_making.py"
_ENDS = "tests/control_plane/clips/test_ends.py"
_RETENTION = "tests/control_plane/clips/test_retention.py"

CLIPS = (
    Sabotage(
        "bytes of a clip are served beyond its bounds",
        "clips",
        _VIEWS,
        "    if part is None or not is_shown(part.first, part.last, places):\n",
        "    if part is None:\n",
        (f"{_MAKING}::test_a_clip_plays_its_part_and_nothing_else_of_the_class",),
    ),
    Sabotage(
        "a clip has the keys of cameras that were not chosen",
        "clips",
        _SERVICES,
        "pk__in=list(segment_ids), class_session=class_session, track__in=clip.track_ids",
        "class_session=class_session",
        (f"{_MAKING}::test_it_holds_the_keys_of_its_cameras_and_bounds_alone",),
    ),
    Sabotage(
        "the objects that a clip needs go with its class",
        "clips",
        _SUBSCRIPTIONS,
        "ObjectsInUse.answer_with(objects_of_clips)\n",
        "",
        (f"{_ENDS}::test_a_clip_plays_after_its_class_expired_with_the_objects_it_needs",),
    ),
    Sabotage(
        "a clip survives the erasure of its dancer",
        "clips",
        _ENDINGS,
        '    _destroy(Clip.objects.filter(pk__in=ids), CLIP_DELETED, reason="erasure", actor=SYSTEM)\n',
        "    ClipDancer.objects.filter(clip__in=ids).delete()\n",
        (f"{_ENDS}::test_an_erased_dancer_takes_the_clips_that_show_them",),
    ),
    Sabotage(
        "a clip of everyone in the class survives the erasure of a dancer",
        "clips",
        _SELECTORS,
        "Q(Exists(chosen)) | anyone",
        "Q(Exists(chosen))",
        (f"{_ENDS}::test_an_erased_dancer_takes_the_clips_that_show_them",),
    ),
    Sabotage(
        "the objects of a clip go before its key",
        "clips",
        _ENDINGS,
        "    destroy_recorded_shares()\n",
        "    KeyTombstone.objects.filter(share_destroyed_at=None).update(share_destroyed_at=timezone.now())\n",
        (f"{_ENDS}::test_no_object_goes_before_the_key",),
    ),
    Sabotage(
        "a clip plays after its date",
        "clips",
        _SELECTORS,
        "    if not clip.is_playable(timezone.now()):\n",
        "    if not clip.wrapped_key:\n",
        (f"{_MAKING}::test_a_clip_ends_at_its_date",),
    ),
    Sabotage(
        "a deliberate destruction leaves the clips of the class",
        "clips",
        _SUBSCRIPTIONS,
        "FootageDestroyed.subscribe(destroy_of_footage)\n",
        "",
        (f"{_ENDS}::test_a_deliberate_destruction_of_the_class_takes_its_clips_at_once",),
    ),
    Sabotage(
        "a guardian plays a clip of another child",
        "clips",
        _SELECTORS,
        "    if access.role_of(actor, current_studio_id()) is not Role.GUARDIAN:\n",
        "    if True:\n",
        (f"{_MAKING}::test_a_guardian_sees_the_clips_of_their_own_dancer",),
    ),
    Sabotage(
        "a hold is ignored by the retention of clips",
        "clips",
        "control_plane/retention/clips.py",
        "evaluate(read_policy(), items",
        "evaluate(type(read_policy())(confirmed=False), items",
        (f"{_RETENTION}::test_a_hold_on_the_class_keeps_its_clips",),
    ),
)
