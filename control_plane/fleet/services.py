"""Writes of the fleet: agents, cameras and recording orders.

Each write that affects the configuration of an agent publishes its next version in the same transaction. Call inside
`studio_scope` of the object's studio.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common import valkey
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, TooManyRequests, Unavailable
from control_plane.common.names import clean_name
from control_plane.common.scoping import studio_scope
from control_plane.fleet.announcements import Topic, announce_on_commit
from control_plane.fleet.audit_events import (
    AGENT_CHANGED,
    AGENT_REVOKED,
    CAMERA_CHANGED,
    CAMERA_CREATED,
    CAMERA_REMOVED,
)
from control_plane.fleet.desired import publish_config, publish_configs
from control_plane.fleet.models import (
    Agent,
    AgentState,
    Camera,
    RecordingOrder,
    SourceKind,
)
from control_plane.fleet.permissions import MANAGE_AGENTS, MANAGE_CAMERAS, RECORD
from control_plane.fleet.selectors import RECORDING_STATES, agents_of_room, count_cameras
from control_plane.fleet.sources import TypedSource, read_address, read_credentials
from control_plane.keys.seal import seal
from control_plane.plans.models import Limit
from control_plane.plans.quotas import require_quota
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.models import Room
from shared.protocol.codec import encode
from shared.protocol.config import (
    Credentials,
    FileSource,
    Position,
    Source,
)

log = logging.getLogger(__name__)

T = TypeVar("T")
HOUR_S = 3600

MAX_CAMERAS_PER_ROOM, MAX_CAMERAS_PER_AGENT = 32, 64
"""Limits if the plan sets no lower ones. An agent's configuration is one message of at most 1 MiB; a camera takes up to
5 kB."""
CAMERA_FIELDS = frozenset({"name", "position", "record_audio", "offset_us", "enabled"})


def rename_agent(agent: Agent, *, name: str, actor: Actor) -> Agent:
    """Renames an agent.

    Raises:
        BadRequest: the name is empty or too long.
        NotFound, Forbidden: `actor` may not manage agents.
    """
    with studio_scope(agent.studio_id):
        access.require(actor, MANAGE_AGENTS, agent)
        agent.name = clean_name(name)
        _check(agent)
        agent.save(update_fields=["name"])
        record_for(AGENT_CHANGED, agent, actor=actor, details={"fields": ["name"]})
    return agent


def revoke_agent(agent: Agent, *, reason: str, actor: Actor) -> Agent:
    """Revokes an agent at once: its socket closes with the signed reason, and every further request gets 401.

    Raises:
        Conflict: it is revoked already.
        NotFound, Forbidden: `actor` may not manage agents.
    """
    with studio_scope(agent.studio_id):
        access.require(actor, MANAGE_AGENTS, agent)
        reason = reason.strip()[:200] or "revoked by an admin of the studio"
        mine, now = Agent.objects.filter(pk=agent.pk), timezone.now()
        if not Agent.transition_rows(
            mine, AgentState.REVOKED, revoked_at=now, revoked_reason=reason, link_id=None
        ):
            raise Conflict("This agent is already revoked.")
        agent.refresh_from_db()
        record_for(AGENT_REVOKED, agent, actor=actor)
        announce_on_commit(agent.id, Topic.REVOKED)
    return agent


def clear_duplicate(agent: Agent, *, actor: Actor) -> Agent:
    """Clears the alarm that two machines use one identity, after the second one was removed.

    Raises:
        NotFound, Forbidden: `actor` may not manage agents.
    """
    with studio_scope(agent.studio_id):
        access.require(actor, MANAGE_AGENTS, agent)
        agent.duplicate_at, agent.duplicate_detail = None, ""
        agent.save(update_fields=["duplicate_at", "duplicate_detail"])
        record_for(AGENT_CHANGED, agent, actor=actor, details={"fields": ["duplicate_at"]})
    return agent


def add_camera(
    room: Room,
    agent: Agent,
    *,
    name: str,
    position: Position | str,
    address: str,
    actor: Actor,
    username: str = "",
    password: str = "",
    record_audio: bool = True,
    offset_us: int = 0,
    enabled: bool = True,
) -> Camera:
    """Adds a camera to a room, read by `agent`.

    Args:
        address: `rtsp(s)://`, `http(s)://`, or `file:name`; credentials and the secret end are split out of it, sealed
            and not stored.
        username: the camera's user and password, if they are not in the address.

    Raises:
        BadRequest: a value is invalid; the text is shown to people.
        Conflict: the room has a camera of this name, room or agent have the maximum number, or the agent is not active.
        NotFound, Forbidden: `actor` may not manage cameras.
        TooManyRequests: too many were added within an hour.
    """
    with studio_scope(room.studio_id):
        access.require(actor, MANAGE_CAMERAS, room)
        access.require(actor, MANAGE_CAMERAS, agent)
        require_rate(CAMERA_CREATED, actor=actor)
        typed, credentials = _read_source(address, username, password)
        _require_address_rate(room.studio_id, typed.source)
        require_quota(Limit.CAMERAS, count_cameras)
        if Camera.objects.filter(room=room).count() >= MAX_CAMERAS_PER_ROOM:
            raise Conflict(f"A room has at most {MAX_CAMERAS_PER_ROOM} cameras. Remove one first.")
        camera = Camera(
            studio_id=room.studio_id,
            room=room,
            agent=agent,
            name=clean_name(name),
            position=str(position),
            record_audio=record_audio,
            offset_us=offset_us,
            enabled=enabled,
        )
        _set_source(camera, typed)
        _seal_credentials(camera, credentials)
        _save_camera(camera)
        publish_config(agent)
        record_for(
            CAMERA_CREATED, camera, actor=actor, details={"agent": str(agent.id), "room": str(room.id)}
        )
    return camera


def change_camera(
    camera: Camera,
    *,
    actor: Actor,
    agent: Agent | None = None,
    address: str | None = None,
    username: str = "",
    password: str = "",
    forget_credentials: bool = False,
    **values: str | int | bool,
) -> Camera:
    """Changes a camera: `name`, `position`, `record_audio`, `offset_us`, `enabled`, its agent, address or credentials.

    Args:
        address: None: unchanged. A new address keeps the credentials only if host, port and scheme are the same.
        username: with `password`, replaces the credentials; both empty: unchanged.
        forget_credentials: deletes the credentials.

    Raises:
        BadRequest: a value is invalid, or stored credentials would be sent to another host.
        Conflict: the room has a camera of this name, or the new agent has the maximum number or is not active.
        NotFound, Forbidden: `actor` may not manage cameras.
    """
    unknown = set(values) - CAMERA_FIELDS
    if unknown:
        raise BadRequest(f"{', '.join(sorted(unknown))} cannot be changed")
    with studio_scope(camera.studio_id):
        access.require(actor, MANAGE_CAMERAS, camera)
        before = camera.agent
        for name, value in values.items():
            setattr(camera, name, clean_name(value) if isinstance(value, str) else value)
        if agent is not None:
            access.require(actor, MANAGE_CAMERAS, agent)
            camera.agent = agent
        credentials = _read_or_refuse(lambda: read_credentials(username, password))
        changed = sorted(values) + (["agent"] if agent else [])
        if address is not None and address.strip() != camera.address:
            old_origin = _origin_of(camera)
            typed, split_out = _read_source(address, username, password)
            _require_address_rate(camera.studio_id, typed.source)
            credentials = credentials or split_out
            _set_source(camera, typed)
            # Otherwise an editor could make the agent send the camera's password to any host, or unencrypted to the
            # old one.
            if _origin_of(camera) != old_origin and credentials is None:
                forget_credentials = True
            changed.append("address")
        if credentials is not None or forget_credentials:
            _seal_credentials(camera, credentials)
            changed.append("credentials")
        _save_camera(camera, fields=_changed_columns(changed))
        publish_configs({before, camera.agent})
        record_for(CAMERA_CHANGED, camera, actor=actor, details={"fields": changed})
    return camera


def remove_camera(camera: Camera, *, actor: Actor) -> None:
    """Removes a camera. Its footage is kept, and the agent can still upload its remaining footage.

    Raises:
        NotFound, Forbidden: `actor` may not manage cameras.
    """
    with studio_scope(camera.studio_id):
        access.require(actor, MANAGE_CAMERAS, camera)
        camera_id, agent = camera.id, camera.agent
        Camera.objects.filter(pk=camera_id).delete()
        publish_config(agent)
        # Last. Lock order: a transaction that holds the audit chain waits for no other row.
        record_for(CAMERA_REMOVED, camera, actor=actor, details={"agent": str(agent.id)})


def order_recording(class_session_id: UUID, room: Room, *, start_at: datetime, actor: Actor) -> list[Agent]:
    """Orders a recording from every agent with an enabled camera in `room`, from `start_at` on; returns these agents.

    Idempotent.

    Raises:
        Conflict: no agent records in this room.
        NotFound, Forbidden: `actor` may not record here.
    """
    with studio_scope(room.studio_id):
        access.require(actor, RECORD, room)
        agents = agents_of_room(room)
        if not agents:
            raise Conflict("This room has no camera to record with. Add an agent and its cameras first.")
        for agent in agents:
            RecordingOrder.objects.get_or_create(
                agent=agent,
                class_session_id=class_session_id,
                defaults={"studio_id": room.studio_id, "room": room, "start_at": start_at},
            )
            publish_config(agent)
    return agents


def stop_recording(class_session_id: UUID, room: Room, *, stop_at: datetime, actor: Actor) -> None:
    """Orders every agent that records a class to stop at `stop_at`; an earlier order to stop is kept.

    Raises:
        NotFound, Forbidden: `actor` may not record here.
    """
    with studio_scope(room.studio_id):
        access.require(actor, RECORD, room)
        orders = RecordingOrder.objects.filter(class_session_id=class_session_id, stop_at=None)
        for order in orders.select_related("agent").order_by("agent_id"):
            order.stop_at = max(stop_at, order.start_at)
            order.save(update_fields=["stop_at"])
            publish_config(order.agent)


def drop_order(class_session_id: UUID, agent: Agent) -> None:
    """Deletes an order whose footage has arrived or is given up. Part of the transaction of another service."""
    deleted, _ = RecordingOrder.objects.filter(class_session_id=class_session_id, agent=agent).delete()
    if deleted:
        publish_config(agent)


def hand_over_orders(old: Agent, new: Agent) -> None:
    """Hands over running classes to the agent that replaces another. Part of the transaction of the pairing.

    The old agent stops now and keeps its orders, so that it uploads its footage; the new one starts now. The caller
    publishes the configurations.
    """
    now = timezone.now()
    for order in RecordingOrder.objects.filter(agent=old, stop_at=None).order_by("id"):
        RecordingOrder.objects.get_or_create(
            agent=new,
            class_session_id=order.class_session_id,
            defaults={
                "studio_id": new.studio_id,
                "room_id": order.room_id,
                "start_at": max(now, order.start_at),
            },
        )
        order.stop_at = max(now, order.start_at)
        order.save(update_fields=["stop_at"])


def _read_source(address: str, username: str, password: str) -> tuple[TypedSource, Credentials | None]:
    typed = _read_or_refuse(lambda: read_address(address))
    given = _read_or_refuse(lambda: read_credentials(username, password))
    if isinstance(typed.source, FileSource) and given:
        raise BadRequest("A video file has no user name and password; leave both empty.")
    return typed, given or typed.credentials


def _require_address_rate(studio_id: UUID, source: Source) -> None:
    """Counts a new camera address against the limit of the studio: each one can also scan a port of its network."""
    if isinstance(source, FileSource):
        return
    most = settings.FLEET_CAMERA_ADDRESSES_PER_HOUR
    try:
        valkey.limit(f"camera-address:{studio_id}", most=most, window_s=HOUR_S)
    except TooManyRequests as error:
        minutes = -(-error.retry_after_s // 60)
        raise TooManyRequests(
            f"This studio has set {most} camera addresses within an hour. Try again in {minutes} minutes.",
            retry_after_s=error.retry_after_s,
        ) from error
    except Unavailable:
        log.warning("camera addresses are not limited: Valkey does not answer")


def _set_source(camera: Camera, typed: TypedSource) -> None:
    source = typed.source
    match source:
        case FileSource():
            camera.source_kind, camera.source_url, camera.source_name = SourceKind.FILE, "", source.name
        case _:
            kind = SourceKind.RTSP if source.url.startswith("rtsp") else SourceKind.HTTP
            camera.source_kind, camera.source_url, camera.source_name = kind, source.url, ""
    if typed.tail:
        camera.sealed_tail = seal(bytes(camera.agent.sealing_key), typed.tail.encode())
        camera.tail_sealed_for = camera.agent
    else:
        camera.sealed_tail, camera.tail_sealed_for = None, None


def _seal_credentials(camera: Camera, credentials: Credentials | None) -> None:
    if credentials is None:
        camera.sealed_credentials, camera.sealed_for = None, None
        return
    camera.sealed_credentials = seal(bytes(camera.agent.sealing_key), encode(credentials))
    camera.sealed_for = camera.agent


def _origin_of(camera: Camera) -> tuple[str, str]:
    """Returns scheme, host and port: the destination of a password."""
    scheme, _, rest = camera.source_url.partition("://")
    return scheme, rest.partition("/")[0].partition("?")[0]


def _changed_columns(changed: Iterable[str]) -> set[str]:
    """Returns the changed columns, so that concurrent changes of different fields do not overwrite each other."""
    behind = {
        "address": {"source_kind", "source_url", "source_name", "sealed_tail", "tail_sealed_for"},
        "credentials": {"sealed_credentials", "sealed_for"},
    }
    return set[str]().union(*(behind.get(name, {name}) for name in changed))


def _save_camera(camera: Camera, *, fields: Iterable[str] | None = None) -> None:
    """Saves a new camera (`fields` None), or these columns of an existing one."""
    if camera.agent.state not in RECORDING_STATES:
        raise Conflict(f"{camera.agent.name} is not active any more; choose another agent.")
    if Camera.objects.filter(agent=camera.agent).exclude(pk=camera.pk).count() >= MAX_CAMERAS_PER_AGENT:
        raise Conflict(f"{camera.agent.name} reads {MAX_CAMERAS_PER_AGENT} cameras, the maximum of an agent.")
    _check(camera)
    try:
        with transaction.atomic():
            camera.save(force_insert=fields is None, update_fields=fields)
    except IntegrityError as error:
        raise Conflict(f"The room has a camera named {camera.name!r} already.") from error


def _read_or_refuse(read: Callable[[], T]) -> T:
    try:
        return read()
    except ValueError as error:
        raise BadRequest(str(error)) from error


def _check(row: Model) -> None:
    try:
        row.clean_fields()
    except ValidationError as error:
        raise BadRequest(
            "; ".join(f"{name}: {' '.join(text)}" for name, text in error.message_dict.items())
        ) from error
