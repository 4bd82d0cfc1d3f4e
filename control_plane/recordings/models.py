"""Tables of recordings: ClassSession, Appearance, AgentRecording, Track, Segment, Gap, Replay and SegmentDamage."""

from typing import ClassVar

from django.db import models

from control_plane.common.models import STUDIO_ONLY, AccessPath, StudioOwned
from control_plane.common.states import Stateful, Transitions
from control_plane.recordings import (  # noqa: F401  # Django finds the tables of an app here
    class_type_models,
    damage_models,
)
from control_plane.recordings.fragments import FragmentRow, decode_fragments
from control_plane.recordings.gap_reasons import LABELS, InferredReason
from shared.protocol.config import Position
from shared.protocol.manifest import GapReason
from shared.protocol.media import AudioFormat, ClockEstimate, ClockMethod, VideoFormat


class ClassState(models.TextChoices):
    """Progress of a class."""

    REQUESTED = "requested", "Starting"
    RECORDING = "recording", "Recording"
    FINISHING = "finishing", "Uploading the rest"
    COMPLETE = "complete", "Complete"
    INCOMPLETE = "incomplete", "Incomplete"
    EMPTY = "empty", "Nothing was recorded"


RUNNING = (ClassState.REQUESTED, ClassState.RECORDING)
"""States in which cameras record or are about to."""
ENDED = (ClassState.COMPLETE, ClassState.INCOMPLETE, ClassState.EMPTY)
"""States in which no more footage is expected."""


class ClassSession(StudioOwned, Stateful):
    """One class recorded in one room.

    `requested_at` is when Record was pressed, `started_at` the time of the first picture (null: none yet),
    `stop_requested_at` when Stop was pressed, `finished_at` when it reached one of `ENDED`. `wrapped_key` is the class key
    as wrapped by `keys.vault`; empty: destroyed, and with it the footage. `roster_confirmed_at` null: nobody has confirmed
    the roster. `fragment_count` and `footage_bytes` count committed footage (`footage_limits`); for classes older than the
    limits, only later commits. `class_type` null: the class is on no timetable.
    """

    view_permission = "view_class"
    access_path = AccessPath(to_class="pk", to_room="room_id")
    studio_wrapped = {"wrapped_key": "class"}
    transitions = Transitions(
        {
            ClassState.REQUESTED: {ClassState.RECORDING, ClassState.FINISHING},
            ClassState.RECORDING: {ClassState.FINISHING},
            ClassState.FINISHING: {ClassState.COMPLETE, ClassState.INCOMPLETE, ClassState.EMPTY},
            ClassState.COMPLETE: (),
            ClassState.INCOMPLETE: (),
            ClassState.EMPTY: (),
        }
    )

    room = models.ForeignKey("tenancy.Room", on_delete=models.PROTECT, related_name="+", editable=False)
    class_type = models.ForeignKey(
        class_type_models.ClassType,
        null=True,
        on_delete=models.SET_NULL,
        related_name="classes",
        editable=False,
    )
    title = models.CharField(max_length=120)
    state = models.CharField(
        max_length=16, choices=ClassState.choices, default=ClassState.REQUESTED, editable=False
    )
    requested_at = models.DateTimeField(editable=False)
    requested_by = models.UUIDField(null=True, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    stop_requested_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    wrapped_key = models.BinaryField(editable=False)
    roster_confirmed_at = models.DateTimeField(null=True, editable=False)
    roster_confirmed_by = models.UUIDField(null=True, editable=False)
    fragment_count = models.PositiveIntegerField(default=0, editable=False)
    footage_bytes = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-requested_at"]
        verbose_name = "class"
        verbose_name_plural = "classes"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["room"],
                condition=models.Q(state__in=[item.value for item in RUNNING]),
                name="recordings_one_running_class_per_room",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=ClassState.values), name="recordings_class_known_state"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_running(self) -> bool:
        """Whether cameras record or are about to."""
        return ClassState(self.state) in RUNNING

    @property
    def has_ended(self) -> bool:
        """Whether no more footage is expected."""
        return ClassState(self.state) in ENDED


class Appearance(StudioOwned):
    """One dancer in one class. `confirmed_at` null: expected, but not confirmed.

    Only a confirmed appearance gives a guardian access. The rows of a class are confirmed together with its roster;
    reopening the roster removes the confirmation from all of them.
    """

    view_permission = "view_dancers"
    access_path = STUDIO_ONLY

    class_session = models.ForeignKey(
        ClassSession, on_delete=models.CASCADE, related_name="appearances", editable=False
    )
    dancer = models.ForeignKey(
        "people.Dancer", on_delete=models.PROTECT, related_name="appearances", editable=False
    )
    confirmed_at = models.DateTimeField(null=True, editable=False)
    confirmed_by = models.UUIDField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["class_session", "dancer"], name="recordings_appearance_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["dancer", "class_session"], name="recordings_appearance_of")
        ]

    def __str__(self) -> str:
        return f"{self.dancer_id} in {self.class_session_id}"


class AgentRecordingState(models.TextChoices):
    """State of one agent's recording of one class, as the agent reports it; `lost`: given up, or its agent is revoked."""

    WAITING = "waiting", "Waiting to record"
    RECORDING = "recording", "Recording"
    UPLOADING = "uploading", "Uploading the rest"
    DONE = "done", "Complete"
    LOST = "lost", "Given up"


UNSETTLED = (AgentRecordingState.WAITING, AgentRecordingState.RECORDING, AgentRecordingState.UPLOADING)
SETTLED = (AgentRecordingState.DONE, AgentRecordingState.LOST)
"""States in which no more footage of this agent is expected."""


class AgentRecording(StudioOwned, Stateful):
    """One agent's part in one class; the agent reports the counters."""

    view_permission = "view_class"
    access_path = AccessPath(to_class="class_session_id", to_room="class_session__room_id")
    # An agent that restarts, or whose reports overtake each other, may report any state after any other.
    transitions = Transitions(
        {
            AgentRecordingState.WAITING: {*UNSETTLED, *SETTLED},
            AgentRecordingState.RECORDING: {*UNSETTLED, *SETTLED},
            AgentRecordingState.UPLOADING: {*UNSETTLED, *SETTLED},
            AgentRecordingState.DONE: (),
            AgentRecordingState.LOST: (),
        }
    )

    class_session = models.ForeignKey(
        ClassSession, on_delete=models.CASCADE, related_name="agent_recordings", editable=False
    )
    agent = models.ForeignKey("fleet.Agent", on_delete=models.PROTECT, related_name="+", editable=False)
    state = models.CharField(
        max_length=16,
        choices=AgentRecordingState.choices,
        default=AgentRecordingState.WAITING,
        editable=False,
    )
    cameras_recording = models.PositiveSmallIntegerField(default=0, editable=False)
    segments_made = models.PositiveIntegerField(default=0, editable=False)
    segments_pending = models.PositiveIntegerField(default=0, editable=False)
    gaps_pending = models.PositiveIntegerField(default=0, editable=False)
    first_picture_at = models.DateTimeField(null=True, editable=False)
    reported_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["class_session", "agent"], name="recordings_agentrecording_once")
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} {self.state}"


class Track(StudioOwned):
    """One camera's part of a class. Name, position and agent are those of the camera when the class began.

    `camera_id` is not a foreign key: a track outlives its camera. `agent` null: unknown, in older classes.
    """

    view_permission = "view_class"
    access_path = AccessPath(to_class="class_session_id", to_room="class_session__room_id")

    class_session = models.ForeignKey(
        ClassSession, on_delete=models.CASCADE, related_name="tracks", editable=False
    )
    camera_id = models.UUIDField(editable=False)
    agent = models.ForeignKey(
        "fleet.Agent", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    name = models.CharField(max_length=100, editable=False)
    position = models.CharField(
        max_length=8, choices=[(item.value, item.value.title()) for item in Position], editable=False
    )
    record_audio = models.BooleanField(default=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["position", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["class_session", "camera_id"], name="recordings_track_once_per_camera"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Segment(StudioOwned):
    """About 6 s of one track: one immutable encrypted object. The row's id is the wire's `SegmentId`.

    `store` holds the object (null: the platform's own store). `wrapped_key` is the content key under the class key
    (`keys.vault`). `init_*` locate the encrypted init section; `init_sha256` is the hash of the plaintext. The clock columns
    are the segment's `ClockEstimate`. Fragments are in one compact JSON text instead of rows of their own: a
    playlist reads all of them, together and in order. 600 rows decode in a few milliseconds; the 3,600 fragments of an
    hour's track as rows would not. `kept`: its class is destroyed, and something else, such as a clip, needs its object.
    """

    view_permission = "view_class"
    access_path = AccessPath(to_class="class_session_id", to_room="class_session__room_id")

    class_session = models.ForeignKey(
        ClassSession, on_delete=models.CASCADE, related_name="segments", editable=False
    )
    track = models.ForeignKey(Track, on_delete=models.CASCADE, related_name="segments", editable=False)
    agent = models.ForeignKey("fleet.Agent", on_delete=models.PROTECT, related_name="+", editable=False)
    camera_id = models.UUIDField(editable=False)
    sequence = models.PositiveBigIntegerField(editable=False)
    run = models.PositiveIntegerField(editable=False)
    store = models.ForeignKey(
        "storage.StudioStore", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    object_key = models.CharField(max_length=255, unique=True, editable=False)
    size_bytes = models.PositiveBigIntegerField(editable=False)
    sha256 = models.CharField(max_length=64, editable=False)
    wrapped_key = models.BinaryField(editable=False)
    init_offset_bytes = models.PositiveIntegerField(editable=False)
    init_size_bytes = models.PositiveIntegerField(editable=False)
    init_iv = models.BinaryField(max_length=16, editable=False)
    init_sha256 = models.CharField(max_length=64, editable=False)
    video_codec = models.CharField(max_length=8, editable=False)
    video_codec_string = models.CharField(max_length=64, editable=False)
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)
    fps = models.FloatField(editable=False)
    audio_codec_string = models.CharField(max_length=64, blank=True, editable=False)
    audio_sample_rate_hz = models.PositiveIntegerField(null=True, editable=False)
    audio_channels = models.PositiveSmallIntegerField(null=True, editable=False)
    audio_transcoded_from = models.CharField(max_length=40, blank=True, editable=False)
    clock_method = models.CharField(
        max_length=16, choices=[(item.value, item.value) for item in ClockMethod], editable=False
    )
    clock_anchor_pts_90k = models.BigIntegerField(editable=False)
    clock_anchor_at = models.DateTimeField(editable=False)
    clock_rate_ppb = models.IntegerField(editable=False)
    clock_error_bound_us = models.PositiveBigIntegerField(editable=False)
    clock_provisional = models.BooleanField(editable=False)
    fragments_json = models.TextField(editable=False)
    closed_at = models.DateTimeField(editable=False)
    recovered = models.BooleanField(default=False, editable=False)
    kept = models.BooleanField(default=False, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["track", "sequence"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["agent", "camera_id", "sequence"], name="recordings_segment_sequence_once"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["class_session", "track", "sequence"], name="recordings_segment_play"),
            models.Index(
                fields=["studio", "store", "id"], include=["size_bytes"], name="recordings_segment_store"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.camera_id} {self.sequence}"

    @property
    def fragments(self) -> tuple[FragmentRow, ...]:
        """The fragments in order."""
        return decode_fragments(self.fragments_json)

    @property
    def clock(self) -> ClockEstimate:
        """The line that maps media time to UTC."""
        return ClockEstimate(
            method=ClockMethod(self.clock_method),
            anchor_pts_90k=self.clock_anchor_pts_90k,
            anchor_at=self.clock_anchor_at,
            rate_ppb=self.clock_rate_ppb,
            error_bound_us=self.clock_error_bound_us,
            provisional=self.clock_provisional,
        )

    @property
    def video(self) -> VideoFormat:
        """The video format."""
        return VideoFormat(
            codec=self.video_codec,
            codec_string=self.video_codec_string,
            width=self.width,
            height=self.height,
            fps=self.fps,
        )

    @property
    def audio(self) -> AudioFormat | None:
        """The audio format; None: no audio."""
        if not self.audio_codec_string:
            return None
        return AudioFormat(
            codec_string=self.audio_codec_string,
            sample_rate_hz=self.audio_sample_rate_hz or 0,
            channels=self.audio_channels or 0,
            transcoded_from=self.audio_transcoded_from,
        )


class Gap(StudioOwned):
    """A missing stretch of a track, from `from_at` until `to_at`, with its reason. Reported gaps keep the id of the wire."""

    view_permission = "view_class"
    access_path = AccessPath(to_class="class_session_id", to_room="class_session__room_id")

    class_session = models.ForeignKey(
        ClassSession, on_delete=models.CASCADE, related_name="gaps", editable=False
    )
    track = models.ForeignKey(Track, on_delete=models.CASCADE, related_name="gaps", editable=False)
    from_at = models.DateTimeField(editable=False)
    to_at = models.DateTimeField(editable=False)
    reason = models.CharField(
        max_length=24,
        choices=[(item.value, LABELS[item]) for item in (*GapReason, *InferredReason)],
        editable=False,
    )
    detail = models.TextField(blank=True, editable=False)
    inferred = models.BooleanField(default=False, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["track", "from_at"]

    def __str__(self) -> str:
        return f"{self.reason} {self.from_at:%H:%M:%S}"


class Replay(StudioOwned):
    """One person watches one class. Its audit event is written before the first key is served.

    A replay lasts until no request arrives for `view_sessions.REPLAY_IDLE_LIMIT`; then another one begins. `entry_id` is
    the audit event, which the vault checks (null: a replay from before that check).
    """

    view_permission = "view_audit"
    access_path = STUDIO_ONLY

    class_session = models.ForeignKey(
        ClassSession, on_delete=models.CASCADE, related_name="replays", editable=False
    )
    viewer_id = models.UUIDField(editable=False)
    entry_id = models.UUIDField(null=True, editable=False)
    seen_at = models.DateTimeField(editable=False)

    class Meta(StudioOwned.Meta):
        indexes: ClassVar = [
            models.Index(fields=["class_session", "viewer_id", "-seen_at"], name="recordings_replay_latest")
        ]

    def __str__(self) -> str:
        return str(self.id)
