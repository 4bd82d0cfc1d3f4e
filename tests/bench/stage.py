"""Data for benchmarks of a control plane: a studio with many viewers, and an hour's class of three cameras.

Call after `django.setup()`, in the environment of a control plane that runs. The pictures are random bytes: nobody who
serves them looks inside. Rows, keys and manifests are real; of the objects there are those of the first minutes.
"""

import hashlib
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.test import Client
from nacl.public import PublicKey, SealedBox

from control_plane.accounts.models import User
from control_plane.accounts.services import create_user
from control_plane.administration import services as studios
from control_plane.common.actors import Actor
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.fleet import services as fleet
from control_plane.fleet.models import Agent
from control_plane.ingest.intents import INGEST_KEYS
from control_plane.keys import vault
from control_plane.recordings import services as recordings
from control_plane.recordings.models import AgentRecording, AgentRecordingState, ClassSession, ClassState
from control_plane.recordings.segment_factory import ObjectLocation
from control_plane.storage.configured import object_store
from control_plane.tenancy.models import Room, Studio
from shared.protocol.config import RecipientKey
from shared.protocol.ids import CameraId, ClassSessionId, SegmentId, new_id
from shared.protocol.manifest import FragmentRecord, SealedBlob, SegmentManifest
from shared.protocol.media import ClockEstimate, ClockMethod, VideoFormat
from tests.control_plane.footage import sealed

SETUP = Actor.system("bench")
POSITIONS = ("left", "centre", "right")
TICKS = 90_000
FRAGMENT_S, PER_SEGMENT = 2, 3
HOUR_S = 3600


@dataclass
class Stage:
    """A studio, its admin, and an agent with three cameras in one room."""

    studio: Studio
    alice: User
    room: Room
    agent: Agent
    recipient: RecipientKey
    cameras: list[UUID]


@dataclass
class Playable:
    """Addresses of one class; `segments` are those whose objects exist, per track, with their fragments' ranges."""

    session: ClassSession
    folder: str
    tracks: list[UUID]
    segments: dict[UUID, list[tuple[UUID, list[str]]]]


def make_stage(name: str = "bench") -> Stage:
    """Returns a new studio with its room and agent."""
    tag = secrets.token_hex(4)
    alice = create_user(f"alice-{tag}@example.org", actor=SETUP)
    studio = studios.create_studio(slug=f"{name}-{tag}", name=f"{name} {tag}", actor=SETUP, admin=alice)
    with studio_scope(studio.id):
        room = studios.create_room(studio, name="Big room", actor=alice.actor)
        agent = new_agent(studio, "agent")
        agent.save(force_insert=True)
        cameras = [
            fleet.add_camera(
                room, agent, name=place, position=place, address=f"rtsp://10.0.0.1/{place}", actor=alice.actor
            ).id
            for place in POSITIONS
        ]
        return Stage(studio, alice, room, agent, vault.recipient(), cameras)


def new_agent(studio: Studio, name: str, identity_key: bytes = b"") -> Agent:
    """Returns an unsaved agent."""
    return Agent(
        studio=studio,
        name=name,
        identity_key=identity_key or os.urandom(32),
        sealing_key=os.urandom(32),
        fingerprint=secrets.token_hex(8),
        protocol=1,
    )


def make_viewers(stage: Stage, number: int, role: Role = Role.VIEWER) -> list[User]:
    """Returns new members of the studio."""
    tag = secrets.token_hex(4)
    made = []
    for index in range(number):
        user = create_user(f"v{index}-{tag}@example.org", actor=SETUP)
        with studio_scope(stage.studio.id):
            studios.add_member(stage.studio, user, role, actor=SETUP)
        made.append(user)
    return made


def cookie_of(user: User) -> str:
    """Signs a person in, and returns the cookie."""
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def make_class(stage: Stage, *, length_s: int, stored_s: int, bytes_per_s: int) -> Playable:
    """Returns a complete class of three cameras.

    Args:
        stored_s: how much of its beginning has objects in the store.
        bytes_per_s: of each camera.
    """
    start_at = datetime.now(UTC) - timedelta(seconds=length_s + 60)
    with studio_scope(stage.studio.id):
        session = recordings.start_class(stage.room, actor=stage.alice.actor, start_at=start_at)
        tracks = {track.camera_id: track.id for track in session.tracks.all()}
        playable = Playable(
            session, f"/studio/{stage.studio.slug}/classes/{session.id}", list(tracks.values()), {}
        )
        for camera_id in stage.cameras:
            kept = playable.segments.setdefault(tracks[camera_id], [])
            arrived = []
            with vault.release_keys(
                Actor.agent(stage.agent.id, studio_id=stage.studio.id), INGEST_KEYS, session
            ) as release:
                for number in range(length_s // (FRAGMENT_S * PER_SEGMENT)):
                    stored = number * FRAGMENT_S * PER_SEGMENT < stored_s
                    manifest, content = _segment(
                        stage, session.id, camera_id, number, start_at, bytes_per_s if stored else 500
                    )
                    key = f"{stage.studio.id}/{session.id}/{manifest.segment_id}.seg"
                    if stored:
                        object_store().put(
                            key, [content], size_bytes=manifest.size_bytes, sha256=manifest.sha256
                        )
                        blobs = [item.blob for item in manifest.fragments]
                        ranges = [
                            f"bytes={b.offset_bytes}-{b.offset_bytes + b.size_bytes - 1}" for b in blobs
                        ]
                        kept.append((manifest.segment_id, ranges))
                    wrapped = release.rewrap(
                        manifest.sealed_key,
                        recipient_key_id=manifest.recipient_key_id,
                        segment_id=manifest.segment_id,
                    )
                    arrived.append((manifest, ObjectLocation(None, key), wrapped))
                recordings.add_segments(
                    session,
                    stage.agent,
                    arrived,
                    actor=Actor.agent(stage.agent.id, studio_id=stage.studio.id),
                )
        recordings.stop_class(session, actor=stage.alice.actor)
        AgentRecording.objects.filter(class_session=session).update(state=AgentRecordingState.DONE)
        locked = recordings.lock_class(session.id)
        recordings.finish_if_settled(locked, actor=Actor.agent(stage.agent.id, studio_id=stage.studio.id))
        session = ClassSession.objects.get(pk=session.pk)
        assert session.state == ClassState.COMPLETE, session.state
    playable.session = session
    return playable


def _segment(
    stage: Stage, class_id: UUID, camera_id: UUID, number: int, start_at: datetime, bytes_per_s: int
) -> tuple[SegmentManifest, bytes]:
    key, content = os.urandom(16), bytearray()
    init = sealed(key, os.urandom(800), content)
    fragments = []
    for index in range(PER_SEGMENT):
        size = bytes_per_s * FRAGMENT_S // 16 * 16
        blob = SealedBlob(
            offset_bytes=len(content),
            size_bytes=size,
            iv=os.urandom(16),
            sha256=hashlib.sha256(b"").hexdigest(),
        )
        content.extend(os.urandom(size))
        pts = (number * PER_SEGMENT + index) * FRAGMENT_S * TICKS
        fragments.append(FragmentRecord(blob=blob, pts_90k=pts, duration_90k=FRAGMENT_S * TICKS, frames=60))
    manifest = SegmentManifest(
        segment_id=SegmentId(new_id()),
        class_session_id=ClassSessionId(class_id),
        camera_id=CameraId(camera_id),
        sequence=number + 1,
        run=0,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        recipient_key_id=stage.recipient.id,
        sealed_key=bytes(SealedBox(PublicKey(stage.recipient.public_key)).encrypt(key)),
        init=init,
        init_sha256="0" * 64,
        fragments=tuple(fragments),
        video=VideoFormat(codec="h264", codec_string="avc1.42c00d", width=1280, height=720, fps=30.0),
        audio=None,
        clock=ClockEstimate(
            method=ClockMethod.RTCP_SR,
            anchor_pts_90k=0,
            anchor_at=start_at,
            rate_ppb=0,
            error_bound_us=600,
            provisional=False,
        ),
        closed_at=start_at,
    )
    return manifest, bytes(content)
