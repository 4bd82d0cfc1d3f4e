"""Admin pages of classes and their footage; history is read-only."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin, ServiceForm
from control_plane.recordings import services
from control_plane.recordings.class_type_models import ClassType, Enrolment
from control_plane.recordings.damage_models import SegmentDamage
from control_plane.recordings.models import (
    AgentRecording,
    Appearance,
    ClassSession,
    Gap,
    Replay,
    Segment,
    Track,
)
from control_plane.recordings.permissions import MANAGE_CLASS


class ClassForm(ServiceForm):
    """A class's title."""

    class Meta:
        model = ClassSession
        fields = ("title",)

    def call(self) -> ClassSession:
        """Renames the class."""
        row: ClassSession = ClassSession.objects.get(pk=self.instance.pk)
        if row.title == self.cleaned_data["title"]:
            return row
        return services.rename_class(row, title=self.cleaned_data["title"], actor=self.actor)


@admin.register(ClassSession)
class ClassSessionAdmin(ScopedAdmin):
    """Classes."""

    service_form = ClassForm
    write_action = MANAGE_CLASS
    can_change = True
    list_display = ("title", "room", "state", "started_at", "finished_at")
    list_filter = ("state", "room")
    list_select_related = ("room",)
    search_fields = ("title",)
    readonly_fields = (
        "room", "state", "requested_at", "requested_by", "started_at", "stop_requested_at", "finished_at",
    )  # fmt: skip


@admin.register(Track)
class TrackAdmin(ScopedAdmin):
    """Tracks: one camera's part of a class."""

    list_display = ("name", "position", "class_session", "record_audio")
    list_select_related = ("class_session",)
    fields = readonly_fields = (
        "class_session",
        "name",
        "position",
        "camera_id",
        "record_audio",
        "created_at",
    )


@admin.register(Segment)
class SegmentAdmin(ScopedAdmin):
    """Committed segments: sizes and locations, never keys."""

    list_display = ("track", "class_session", "sequence", "run", "size_bytes", "closed_at", "recovered")
    list_select_related = ("track", "class_session")
    list_filter = ("recovered", "video_codec")
    show_full_result_count = False
    fields = readonly_fields = (
        "class_session", "track", "agent", "sequence", "run", "size_bytes", "sha256", "object_key",
        "video_codec_string", "width", "height", "fps", "audio_codec_string", "audio_transcoded_from",
        "clock_method", "clock_error_bound_us", "clock_rate_ppb", "clock_provisional", "closed_at", "recovered",
    )  # fmt: skip


@admin.register(SegmentDamage)
class SegmentDamageAdmin(ScopedAdmin):
    """Segments whose object is missing or damaged, and the state of their repair."""

    list_display = ("class_session", "segment", "kind", "repair", "agent", "created_at")
    list_select_related = ("class_session", "segment", "agent")
    list_filter = ("kind", "repair")
    fields = readonly_fields = (
        "class_session", "segment", "kind", "detail", "created_at", "agent", "repair", "answered_at",
    )  # fmt: skip


@admin.register(Gap)
class GapAdmin(ScopedAdmin):
    """Gaps, with their reasons."""

    list_display = ("track", "class_session", "from_at", "to_at", "reason", "inferred")
    list_select_related = ("track", "class_session")
    list_filter = ("reason", "inferred")
    fields = readonly_fields = (
        "class_session", "track", "from_at", "to_at", "reason", "detail", "inferred", "created_at",
    )  # fmt: skip


@admin.register(AgentRecording)
class AgentRecordingAdmin(ScopedAdmin):
    """Progress of each agent with each class."""

    list_display = ("class_session", "agent", "state", "segments_made", "segments_pending", "gaps_pending")
    list_select_related = ("class_session", "agent")
    fields = readonly_fields = (
        "class_session", "agent", "state", "cameras_recording", "segments_made", "segments_pending",
        "gaps_pending", "first_picture_at", "reported_at",
    )  # fmt: skip


@admin.register(Replay)
class ReplayAdmin(ScopedAdmin):
    """Replays: a person watched a class."""

    list_display = ("class_session", "viewer_id", "created_at", "seen_at")
    list_select_related = ("class_session",)
    fields = readonly_fields = ("class_session", "viewer_id", "created_at", "seen_at")


@admin.register(Appearance)
class AppearanceAdmin(ScopedAdmin):
    """Rosters of classes; edited on the page of the class in the portal."""

    list_display = ("dancer", "class_session", "confirmed_at")
    list_select_related = ("dancer", "class_session")
    fields = readonly_fields = ("class_session", "dancer", "confirmed_at", "confirmed_by")


@admin.register(ClassType)
class ClassTypeAdmin(ScopedAdmin):
    """Class types of the timetable."""

    list_display = ("name", "ended_at")
    fields = readonly_fields = ("name", "ended_at")


@admin.register(Enrolment)
class EnrolmentAdmin(ScopedAdmin):
    """Enrolments, ended ones included."""

    list_display = ("dancer", "class_type", "starts_at", "ends_at")
    list_select_related = ("dancer", "class_type")
    fields = readonly_fields = ("dancer", "class_type", "starts_at", "ends_at")
