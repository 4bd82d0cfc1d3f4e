"""Tables of the fleet: Agent, PairingCode, Camera, RecordingOrder, DesiredConfig, ReportedConfig, StatusReport."""

from datetime import datetime, timedelta
from typing import ClassVar

import msgspec
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from control_plane.common.models import STUDIO_ONLY, AccessPath, StudioOwned
from control_plane.common.scoping import CapabilityManager
from control_plane.common.states import Stateful, Transitions
from shared.kernel.secret_tail import MASK
from shared.protocol.codec import decode
from shared.protocol.config import (
    SEALED_TAIL_SINCE,
    AgentBody,
    AgentConfig,
    FileSource,
    HttpSource,
    Position,
    RtspSource,
    Source,
)
from shared.protocol.ids import AgentId
from shared.protocol.pairing import HostFacts
from shared.protocol.status import HEARTBEAT_S, AgentStatus, ConfigStatus

OFFLINE_AFTER = timedelta(seconds=3 * HEARTBEAT_S)
"""An agent without a report for this long is offline, even if its socket is open."""


class AgentState(models.TextChoices):
    """Enrolment state of an agent."""

    PENDING = "pending", "Paired, not seen yet"
    ACTIVE = "active", "Active"
    REPLACED = "replaced", "Replaced, uploading the rest"
    REVOKED = "revoked", "Revoked"


class Agent(StudioOwned, Stateful):
    """One enrolled edge computer.

    `identity_key` (Ed25519) signs its requests, camera credentials are sealed to `sealing_key` (X25519); 32 bytes each.
    An admin compares `fingerprint` with the one shown on the agent. `link_id` is the open websocket; null: none.
    `stopped_at` is when it reported that it is stopping; null: it did not, or has reported since. `duplicate_at` is when two
    machines were seen with this identity; `duplicate_detail` contains both addresses. It uploads from `upload_opens` until
    `upload_closes`, times of day in the studio's time zone (`22:00`; both empty: any time), at most at
    `upload_max_bytes_per_s` (null: no limit).
    """

    view_permission = "view_agents"
    access_path = STUDIO_ONLY
    transitions = Transitions(
        {
            AgentState.PENDING: {AgentState.ACTIVE, AgentState.REPLACED, AgentState.REVOKED},
            AgentState.ACTIVE: {AgentState.REPLACED, AgentState.REVOKED},
            AgentState.REPLACED: {AgentState.REVOKED},
            AgentState.REVOKED: (),
        }
    )

    name = models.CharField(max_length=80)
    state = models.CharField(max_length=16, choices=AgentState.choices, default=AgentState.PENDING)
    identity_key = models.BinaryField(max_length=32, editable=False)
    sealing_key = models.BinaryField(max_length=32, editable=False)
    fingerprint = models.CharField(max_length=19, editable=False)
    host = models.JSONField(default=dict, editable=False)
    agent_version = models.CharField(max_length=40, blank=True, editable=False)
    protocol = models.PositiveSmallIntegerField(default=0, editable=False)
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_address = models.CharField(max_length=64, blank=True, editable=False)
    link_id = models.UUIDField(null=True, blank=True, editable=False)
    linked_at = models.DateTimeField(null=True, blank=True, editable=False)
    stopped_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_reason = models.CharField(max_length=200, blank=True, editable=False)
    replaced_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    duplicate_at = models.DateTimeField(null=True, blank=True, editable=False)
    duplicate_detail = models.CharField(max_length=200, blank=True, editable=False)
    upload_opens = models.CharField(max_length=5, blank=True, editable=False)
    upload_closes = models.CharField(max_length=5, blank=True, editable=False)
    upload_max_bytes_per_s = models.PositiveBigIntegerField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio", "identity_key"], name="fleet_agent_identity_once"),
            models.CheckConstraint(
                condition=models.Q(state__in=AgentState.values), name="fleet_agent_known_state"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def host_facts(self) -> HostFacts | None:
        """The agent's facts from pairing; None if they are no longer readable."""
        try:
            return msgspec.convert(self.host, HostFacts)
        except msgspec.ValidationError:
            return None

    @property
    def is_trusted(self) -> bool:
        """Whether its requests are accepted."""
        return self.state != AgentState.REVOKED

    @property
    def is_online(self) -> bool:
        """Whether it reported recently, by websocket or HTTP, and has not stopped since."""
        if self.stopped_at is not None:
            return False
        return self.last_seen_at is not None and self.last_seen_at > timezone.now() - OFFLINE_AFTER


class PairingState(models.TextChoices):
    """State of a pairing code. `expired` follows from `expires_at` and is never stored."""

    PENDING = "pending", "Waiting for an agent"
    CLAIMED = "claimed", "Used"
    EXPIRED = "expired", "Expired"
    LOCKED = "locked", "Locked after wrong codes"


class PairingCode(StudioOwned, Stateful):
    """A code that pairs one agent, until `expires_at`. Neither the code nor its halves are stored.

    `lookup_hash` (first four letters) finds the row without a studio in scope; `code_hash` (all eight) verifies the rest. So
    a wrong second half counts as an attempt against *this* code. Both are keyed hashes in hex. `replaces`: the agent whose
    cameras the new agent takes over.
    """

    view_permission = "manage_agents"
    access_path = STUDIO_ONLY
    transitions = Transitions(
        {
            PairingState.PENDING: {PairingState.CLAIMED, PairingState.LOCKED},
            PairingState.CLAIMED: (),
            PairingState.EXPIRED: (),
            PairingState.LOCKED: (),
        }
    )

    lookup_hash = models.CharField(max_length=64, db_index=True, editable=False)
    code_hash = models.CharField(max_length=64, editable=False)
    state = models.CharField(
        max_length=16, choices=PairingState.choices, default=PairingState.PENDING, editable=False
    )
    expires_at = models.DateTimeField(editable=False)
    tries = models.PositiveSmallIntegerField(default=0, editable=False)
    agent_name = models.CharField(max_length=80, blank=True, editable=False)
    created_by = models.UUIDField(null=True, editable=False)
    replaces = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    claimed_by = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

    found: ClassVar[CapabilityManager] = CapabilityManager()

    class Meta(StudioOwned.Meta):
        default_manager_name = "objects"
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_expired(self) -> bool:
        """Whether it has expired, whatever its state is."""
        return self.expires_at <= timezone.now()


class SourceKind(models.TextChoices):
    """How an agent reads a camera."""

    RTSP = "rtsp", "RTSP camera"
    HTTP = "http", "HTTP stream"
    FILE = "file", "Video file on the agent"


class Camera(StudioOwned):
    """One fixed video source of a room, read by one agent.

    `source_url` (rtsp, http) contains no secrets; `source_name` (file) is a name in the agent's own list.
    `sealed_credentials` are sealed to `sealed_for`, the key of the agent at that time: neither the control plane nor an
    agent that takes over the camera can read them. `sealed_tail`, sealed to `tail_sealed_for`, is the secret end of the
    address, to be appended to `source_url`; null: the address has none. `offset_us` is added to every UTC time of the
    camera.
    """

    view_permission = "view_agents"
    access_path = AccessPath(to_room="room_id")

    room = models.ForeignKey("tenancy.Room", on_delete=models.PROTECT, related_name="+")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="cameras")
    name = models.CharField(max_length=100)
    position = models.CharField(max_length=8, choices=[(item.value, item.value.title()) for item in Position])
    source_kind = models.CharField(max_length=8, choices=SourceKind.choices)
    source_url = models.CharField(max_length=2000, blank=True)
    source_name = models.CharField(max_length=100, blank=True)
    sealed_credentials = models.BinaryField(null=True, editable=False)
    sealed_for = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    sealed_tail = models.BinaryField(null=True, editable=False)
    tail_sealed_for = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    record_audio = models.BooleanField(default=True)
    offset_us = models.IntegerField(
        "offset (µs)",
        default=0,
        validators=[MinValueValidator(-5_000_000), MaxValueValidator(5_000_000)],
        help_text="Added to every time of this camera: its constant delay, measured. Microseconds.",
    )
    enabled = models.BooleanField(default=True)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["room", "position", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["room", "name"], name="fleet_camera_name_once_per_room")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def source(self) -> Source:
        """The source in the form of the wire."""
        match SourceKind(self.source_kind):
            case SourceKind.RTSP:
                return RtspSource(url=self.source_url)
            case SourceKind.HTTP:
                return HttpSource(url=self.source_url)
            case SourceKind.FILE:
                return FileSource(name=self.source_name)

    @property
    def address(self) -> str:
        """The displayed address: without secrets, `***` for its secret end; or the name of the file."""
        return (self.source_url or self.source_name) + (MASK if self.has_tail else "")

    @property
    def has_credentials(self) -> bool:
        """Whether user and password are stored."""
        return self.sealed_credentials is not None

    @property
    def has_tail(self) -> bool:
        """Whether its address has a secret end."""
        return self.sealed_tail is not None

    @property
    def credentials_are_stale(self) -> bool:
        """Whether they were sealed for another agent and must be entered again."""
        return self.has_credentials and self.sealed_for_id != self.agent_id

    @property
    def tail_is_stale(self) -> bool:
        """Whether the secret end of its address was sealed for another agent and must be entered again."""
        return self.has_tail and self.tail_sealed_for_id != self.agent_id

    @property
    def is_beyond_agent(self) -> bool:
        """Whether its agent's software is too old to support the secret end of its address."""
        return self.has_tail and self.agent.protocol < SEALED_TAIL_SINCE


class RecordingOrder(StudioOwned):
    """An order to record a class, for one agent. Deleted when all footage of the class has arrived or is given up.

    `class_session_id` is not a foreign key: `recordings` is above the fleet. `stop_at` null: until Stop is pressed.
    """

    view_permission = "view_agents"
    access_path = STUDIO_ONLY

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="orders", editable=False)
    class_session_id = models.UUIDField(editable=False)
    room = models.ForeignKey("tenancy.Room", on_delete=models.PROTECT, related_name="+", editable=False)
    start_at = models.DateTimeField(editable=False)
    stop_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["start_at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["agent", "class_session_id"], name="fleet_recordingorder_once_per_agent"
            )
        ]

    def __str__(self) -> str:
        return str(self.class_session_id)


class DesiredConfig(StudioOwned):
    """The newest desired configuration of one agent: `body` is an `AgentBody` as JSON, `hash` its document hash."""

    view_permission = "view_agents"
    access_path = STUDIO_ONLY

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="desired", editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    hash = models.CharField(max_length=64, editable=False)
    body = models.TextField(editable=False)
    changed_at = models.DateTimeField(editable=False)

    def __str__(self) -> str:
        return f"version {self.version}"

    @property
    def document(self) -> AgentConfig:
        """The configuration in the form of the wire."""
        return AgentConfig(
            agent_id=AgentId(self.agent_id),
            version=self.version,
            hash=self.hash,
            body=decode(self.body, AgentBody),
        )


class ReportedConfig(StudioOwned):
    """The last configuration report of an agent: `version` and `hash` are applied, `status` is that of the newest."""

    view_permission = "view_agents"
    access_path = STUDIO_ONLY

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="reported", editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    hash = models.CharField(max_length=64, blank=True, editable=False)
    status = models.CharField(
        max_length=16, choices=[(item.value, item.value) for item in ConfigStatus], editable=False
    )
    error = models.TextField(blank=True, editable=False)
    failed_version = models.PositiveIntegerField(null=True, editable=False)
    received_at = models.DateTimeField(editable=False)

    def __str__(self) -> str:
        return f"version {self.version} {self.status}"


class StatusReport(StudioOwned):
    """The latest heartbeat of an agent: `body` is an `AgentStatus` as JSON."""

    view_permission = "view_agents"
    access_path = STUDIO_ONLY

    agent = models.OneToOneField(
        Agent, on_delete=models.CASCADE, related_name="status_report", editable=False
    )
    body = models.TextField(editable=False)
    received_at = models.DateTimeField(editable=False)

    def __str__(self) -> str:
        return f"status of {self.received_at:%H:%M:%S}"

    @property
    def status(self) -> AgentStatus:
        """The heartbeat in the form of the wire."""
        return decode(self.body, AgentStatus)

    def is_fresh(self, now: datetime) -> bool:
        """Returns whether the report is still current."""
        return self.received_at > now - OFFLINE_AFTER
