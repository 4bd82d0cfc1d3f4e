"""Admin pages of agents, cameras, pairing codes, and desired and reported configurations."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from control_plane.access.admin_base import ScopedAdmin, ServiceForm
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict
from control_plane.fleet import services
from control_plane.fleet.models import (
    Agent,
    Camera,
    DesiredConfig,
    PairingCode,
    RecordingOrder,
    ReportedConfig,
    StatusReport,
)
from control_plane.fleet.permissions import MANAGE_AGENTS, MANAGE_CAMERAS
from control_plane.fleet.selectors import RECORDING_STATES, camera_statuses
from control_plane.tenancy.models import Room
from shared.protocol.config import Position
from shared.protocol.status import CAMERA_HINTS, CameraStatus, camera_fault


class AgentForm(ServiceForm):
    """Edits the name of an agent, clears its alarm, or revokes it."""

    revoke = forms.BooleanField(
        required=False, help_text="Revokes this agent permanently, at once. Its uploaded footage is kept."
    )
    reason = forms.CharField(
        required=False, max_length=200, help_text="Reason of the revocation; shown on the agent."
    )
    clear_alarm = forms.BooleanField(
        required=False, help_text="The second machine with this agent's identity was removed."
    )

    class Meta:
        model = Agent
        fields = ("name",)

    def call(self) -> Agent:
        """Renames the agent, clears the alarm, or revokes it."""
        agent: Agent = Agent.objects.get(pk=self.instance.pk)
        if self.cleaned_data["name"] != agent.name:
            services.rename_agent(agent, name=self.cleaned_data["name"], actor=self.actor)
        if self.cleaned_data["clear_alarm"] and agent.duplicate_at:
            services.clear_duplicate(agent, actor=self.actor)
        if self.cleaned_data["revoke"]:
            services.revoke_agent(agent, reason=self.cleaned_data["reason"], actor=self.actor)
        return agent


@admin.register(Agent)
class AgentAdmin(ScopedAdmin):
    """Agents. An agent is added by pairing it."""

    service_form = AgentForm
    write_action = MANAGE_AGENTS
    can_change = True
    list_display = ("name", "state", "online", "agent_version", "last_seen_at", "fingerprint")
    list_filter = ("state",)
    readonly_fields = (
        "state",
        "online",
        "fingerprint",
        "agent_version",
        "protocol",
        "last_seen_at",
        "last_address",
        "linked_at",
        "stopped_at",
        "host",
        "duplicate_at",
        "duplicate_detail",
        "revoked_at",
        "revoked_reason",
        "replaced_by",
        "created_at",
    )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Adds the link to the page of pairing codes."""
        url = reverse("portal:add_agent", args=[request.studio.slug])  # type: ignore[attr-defined]
        return super().changelist_view(request, (extra_context or {}) | {"add_agent_url": url})

    @admin.display(boolean=True)
    def online(self, obj: Agent) -> bool:
        """Returns whether the agent reported recently."""
        return obj.is_online


class NewCameraForm(ServiceForm):
    """A new camera: room, position, address and credentials. The password is write-only."""

    position = forms.ChoiceField(choices=[(item.value, item.value.title()) for item in Position])
    address = forms.CharField(
        max_length=2000,
        help_text="rtsp://host:554/path, http://host/path, or file:name for a video file on the agent. Secrets in it are"
        " sealed and shown as ***; nobody can read them here again.",
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "spellcheck": "false"}),
    )
    username = forms.CharField(
        required=False, max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    password = forms.CharField(
        required=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Sealed to the agent's key: nobody can read it here again.",
    )

    class Meta:
        model = Camera
        fields = ("name", "room", "agent", "record_audio", "offset_us", "enabled")

    field_order: tuple[str, ...] = (
        "name", "room", "agent", "position", "address", "username", "password", "record_audio", "enabled",
        "offset_us",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["agent"].queryset = Agent.objects.filter(state__in=RECORDING_STATES)  # type: ignore[attr-defined]
        self.fields["room"].queryset = Room.objects.all()  # type: ignore[attr-defined]

    def call(self) -> Camera:
        """Adds the camera."""
        values = {name: value for name, value in self.cleaned_data.items() if name not in {"room", "agent"}}
        return services.add_camera(
            self.cleaned_data["room"], self.cleaned_data["agent"], actor=self.actor, **values
        )


class CameraForm(NewCameraForm):
    """Changes an existing camera; an empty password keeps the stored one."""

    forget_credentials = forms.BooleanField(
        required=False, help_text="The camera needs no user and password any more."
    )

    field_order = (
        "name", "room", "agent", "position", "address", "username", "password", "forget_credentials",
        "record_audio", "enabled", "offset_us",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["position"] = self.instance.position
        self.initial["address"] = ("file:" if self.instance.source_name else "") + self.instance.address
        self.fields["room"].disabled = True
        self.fields["room"].help_text = "To move a camera to another room, add it there as a new camera."
        stored = "A password is stored. " if self.instance.has_credentials else "No password is stored. "
        self.fields["password"].help_text = f"{stored}Leave empty to keep it; nobody can read it here."

    def call(self) -> Camera:
        """Changes the camera."""
        given = self.cleaned_data
        camera: Camera = Camera.objects.select_related("agent").get(pk=self.instance.pk)
        values = {name: given[name] for name in ("name", "position", "record_audio", "offset_us", "enabled")}
        changed = {name: value for name, value in values.items() if value != getattr(camera, name)}
        return services.change_camera(
            camera,
            actor=self.actor,
            agent=given["agent"] if given["agent"] != camera.agent else None,
            address=None if given["address"] == self.initial["address"] else given["address"],
            username=given["username"],
            password=given["password"],
            forget_credentials=given["forget_credentials"],
            **changed,
        )


@admin.register(Camera)
class CameraAdmin(ScopedAdmin):
    """Cameras, with the state that their agents report; the list refreshes every few seconds."""

    service_form = CameraForm
    new_form = NewCameraForm
    write_action = MANAGE_CAMERAS
    can_add = can_change = can_remove = True
    list_display = ("name", "room", "position", "agent", "state", "enabled")
    list_select_related = ("room", "agent", "agent__status_report")
    list_filter = ("room", "agent")
    readonly_fields = ("state", "has_credentials", "created_at")

    @admin.display(description="State")
    def state(self, obj: Camera) -> str:
        """Returns the reported state of the camera, with a hint."""
        if not obj.enabled:
            return "off"
        status = camera_statuses(obj.agent).get(obj.id)
        if obj.is_beyond_agent:
            return "waiting for an update: the agent's software does not support secrets in an address"
        if status is None:
            if obj.agent.stopped_at:
                return "agent stopped"
            return "no report" if obj.agent.is_online else "agent not connected"
        return _state_text(status)

    @admin.display(description="User and password", boolean=True)
    def has_credentials(self, obj: Camera) -> bool:
        """Returns whether credentials are stored."""
        return obj.has_credentials

    def remove(self, obj: Model, *, actor: Actor) -> None:
        """Removes the camera."""
        if not isinstance(obj, Camera):
            raise Conflict("not a camera")
        services.remove_camera(obj, actor=actor)


@admin.register(PairingCode)
class PairingCodeAdmin(ScopedAdmin):
    """Pairing codes and their states. The codes themselves are not stored."""

    list_display = ("agent_name", "state", "expires_at", "tries", "claimed_by", "created_at")
    list_filter = ("state",)
    fields = readonly_fields = (
        "agent_name", "state", "expires_at", "tries", "replaces", "claimed_by", "created_by", "created_at",
    )  # fmt: skip


@admin.register(RecordingOrder)
class RecordingOrderAdmin(ScopedAdmin):
    """Recording orders of agents."""

    list_display = ("class_session_id", "agent", "room", "start_at", "stop_at")
    fields = readonly_fields = ("class_session_id", "agent", "room", "start_at", "stop_at")


@admin.register(DesiredConfig)
class DesiredConfigAdmin(ScopedAdmin):
    """Desired configurations. The body contains sealed credentials and is not shown."""

    list_display = ("agent", "version", "changed_at", "hash")
    fields = readonly_fields = ("agent", "version", "hash", "changed_at")


@admin.register(ReportedConfig)
class ReportedConfigAdmin(ScopedAdmin):
    """Configurations that agents report as applied."""

    list_display = ("agent", "version", "status", "error", "received_at")
    fields = readonly_fields = (
        "agent", "version", "hash", "status", "error", "failed_version", "received_at",
    )  # fmt: skip


@admin.register(StatusReport)
class StatusReportAdmin(ScopedAdmin):
    """The last heartbeat of each agent."""

    list_display = ("agent", "received_at")
    fields = readonly_fields = ("agent", "received_at", "body")


def _state_text(status: CameraStatus) -> str:
    if status.error is None:
        if status.video is None:
            return status.state.value
        return f"{status.state.value}, {status.video.width} × {status.video.height}, {status.fps:.0f} fps"
    why = camera_fault(status.error, status.error_detail)
    return f"{status.state.value}: {why} {CAMERA_HINTS[status.error]}"
