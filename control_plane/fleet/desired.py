"""The desired configuration of an agent, built from the tables and published in the transaction of each edit."""

from collections.abc import Iterable

from django.utils import timezone
from msgspec import UNSET, UnsetType

from control_plane.fleet.announcements import Topic, announce_on_commit
from control_plane.fleet.errors import ProtocolTooOld
from control_plane.fleet.models import Agent, AgentState, Camera, DesiredConfig, RecordingOrder
from control_plane.keys import vault
from control_plane.keys.events import StudioKeyRotated
from control_plane.tenancy.models import Studio
from shared.protocol.codec import document_hash, encode
from shared.protocol.config import (
    AgentBody,
    CameraConfig,
    Position,
    UploadPolicy,
    UploadWindow,
    body_for_version,
)
from shared.protocol.config import RecordingOrder as OrderOnWire
from shared.protocol.ids import CameraId, ClassSessionId, RoomId, StudioId
from shared.protocol.version import OLDEST_VERSION

NEWEST_NOTED = 32_767
"""Largest value of the column; a newer agent gets this server's version."""


def publish_new_recipient(event: StudioKeyRotated) -> None:
    """Publishes the new recipient of sealed keys to every trusted agent of the studio in scope."""
    publish_configs(Agent.objects.filter(studio_id=event.studio_id).exclude(state=AgentState.REVOKED))


def publish_configs(agents: Iterable[Agent]) -> None:
    """Publishes for several agents, in the order of their ids, so that concurrent edits cannot deadlock."""
    for agent in sorted(agents, key=lambda item: item.id):
        publish_config(agent)


def negotiate_protocol(agent: Agent, protocol: int) -> None:
    """Stores the protocol version of an agent; publishes its configuration again if another version needs another document.

    As a new configuration version: an updated or downgraded agent has the old document in force under the old number, and
    the same number with another hash would look like a second control plane.

    Raises:
        ProtocolTooOld: this server no longer supports that version.
    """
    if protocol < OLDEST_VERSION:
        raise ProtocolTooOld(f"This control plane needs protocol version {OLDEST_VERSION} or later.")
    protocol = min(protocol, NEWEST_NOTED)
    if agent.protocol == protocol:
        return
    agent.protocol = protocol
    agent.save(update_fields=["protocol"])
    publish_config(agent)


def publish_config(agent: Agent) -> DesiredConfig:
    """Builds the desired configuration from the tables, and stores it as a new version if it changed.

    Part of the transaction of the edit. The agent's row is the lock, so versions rise one by one in the order of the edits.
    """
    DesiredConfig.objects.bulk_create(
        [DesiredConfig(studio_id=agent.studio_id, agent=agent, changed_at=timezone.now())],
        ignore_conflicts=True,
    )
    row: DesiredConfig = DesiredConfig.objects.select_for_update().get(agent=agent)
    # Read after the lock: another edit or an update of the agent may have changed it meanwhile.
    agent = Agent.objects.get(pk=agent.pk)
    body = body_for_version(agent.protocol, _body(agent))
    hash_ = document_hash(body)
    if row.version and row.hash == hash_:
        return row
    row.version += 1
    row.hash, row.body, row.changed_at = hash_, encode(body).decode(), timezone.now()
    row.save(update_fields=["version", "hash", "body", "changed_at"])
    announce_on_commit(agent.id, Topic.CONFIG)
    return row


def _upload(agent: Agent) -> UploadPolicy:
    window: UploadWindow | UnsetType = UNSET
    if agent.upload_opens:
        # Read each time: if the studio's time zone changes, the next sweep publishes it.
        zone = Studio.objects.values_list("time_zone", flat=True).get(pk=agent.studio_id)
        window = UploadWindow(opens=agent.upload_opens, closes=agent.upload_closes, time_zone=zone)
    return UploadPolicy(max_bytes_per_s=agent.upload_max_bytes_per_s, window=window)


def _body(agent: Agent) -> AgentBody:
    return AgentBody(
        studio_id=StudioId(agent.studio_id),
        upload=_upload(agent),
        recipient=vault.recipient(),
        cameras=tuple(
            CameraConfig(
                id=CameraId(camera.id),
                room_id=RoomId(camera.room_id),
                name=camera.name,
                position=Position(camera.position),
                source=camera.source,
                sealed_credentials=bytes(camera.sealed_credentials) if camera.has_credentials else None,
                sealed_tail=bytes(camera.sealed_tail) if camera.has_tail else UNSET,
                record_audio=camera.record_audio,
                offset_us=camera.offset_us,
            )
            for camera in Camera.objects.filter(agent=agent, enabled=True).order_by("id")
        ),
        recordings=tuple(
            OrderOnWire(
                class_session_id=ClassSessionId(order.class_session_id),
                room_id=RoomId(order.room_id),
                start_at=order.start_at,
                stop_at=order.stop_at,
            )
            for order in RecordingOrder.objects.filter(agent=agent).order_by("id")
        ),
    )
