"""The demo studio: the steps of the demonstration that happen inside the control plane.

Every step calls the services as one of the demo's people: Alice owns the studio and sets it up, Ivan teaches and presses
Record, Vera may view, Gita is the mother of a dancer. Steps are idempotent: a second run finds the same studio, room,
cameras and agent.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from control_plane.accounts.models import User
from control_plane.accounts.services import create_signin_link, create_user
from control_plane.administration.services import add_member, create_room, create_studio
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import platform_scope, studio_scope
from control_plane.fleet.models import Agent, Camera
from control_plane.fleet.pairing import create_pairing_code
from control_plane.fleet.selectors import RECORDING_STATES, camera_statuses, fresh_status, is_acknowledged
from control_plane.fleet.services import add_camera, change_camera
from control_plane.recordings.models import AgentRecording, ClassSession, ClassState, Gap, Segment, Track
from control_plane.recordings.selectors import class_timeline, running_class
from control_plane.recordings.services import start_class, stop_class
from control_plane.tenancy.models import Membership, Room, Studio
from shared.protocol.config import Position
from shared.protocol.status import CAMERA_HINTS

SLUG, STUDIO_NAME, ROOM_NAME, AGENT_NAME = "demo-dance", "Demo Dance", "Studio A", "Demo agent"
LINK_LIFETIME = timedelta(hours=12)
PEOPLE = {
    "admin": ("alice@demo-dance.example", "Alice", Role.ADMIN),
    "instructor": ("ivan@demo-dance.example", "Ivan", Role.INSTRUCTOR),
    "viewer": ("vera@demo-dance.example", "Vera", Role.VIEWER),
    "guardian": ("gita@demo-dance.example", "Gita", Role.GUARDIAN),
}
CAMERA_NAMES = {Position.LEFT: "Left", Position.CENTRE: "Centre", Position.RIGHT: "Right"}
SYSTEM = Actor.system("manage demo_studio")

Facts = dict[str, Any]


class DemoStudio:
    """The demo studio, with its people and its room."""

    def __init__(self, studio: Studio, room: Room, people: Mapping[str, User]) -> None:
        self.studio = studio
        self.room = room
        self.people = people
        self._admin = Actor.user(people["admin"].id)
        self._instructor = Actor.user(people["instructor"].id)

    @classmethod
    def open(cls) -> "DemoStudio":
        """Returns the demo studio; creates studio, keys, people and room if they are missing.

        Raises:
            ControlPlaneError: a service refused; the transaction is rolled back.
        """
        with transaction.atomic():
            people = {part: _get_or_create_user(email, name) for part, (email, name, _) in PEOPLE.items()}
            with platform_scope("manage demo_studio"):
                studio: Studio | None = Studio.objects.filter(slug=SLUG).first()
            if studio is None:
                studio = create_studio(slug=SLUG, name=STUDIO_NAME, actor=SYSTEM, admin=people["admin"])
            admin = Actor.user(people["admin"].id)
            with studio_scope(studio.id):
                for part, (_, _, role) in PEOPLE.items():
                    if not Membership.objects.filter(user=people[part]).exists():
                        add_member(studio, people[part], role, actor=SYSTEM)
                room = Room.objects.filter(name=ROOM_NAME).first() or create_room(
                    studio, name=ROOM_NAME, actor=admin
                )
        return cls(studio, room, people)

    def facts(self) -> Facts:
        """Returns the ids and names of studio, room and people."""
        return {
            "studio": {"id": str(self.studio.id), "slug": self.studio.slug, "name": self.studio.name},
            "room": {"id": str(self.room.id), "name": self.room.name},
            "people": {part: user.email for part, user in self.people.items()},
        }

    def enrol(self, agent_id: str | None) -> Facts:
        """Returns the agent if it is active in this studio, otherwise a pairing code for a new one.

        A new agent takes over the cameras of the previous one.
        """
        with studio_scope(self.studio.id):
            if agent_id and Agent.objects.filter(pk=UUID(agent_id), state__in=RECORDING_STATES).exists():
                return {"agent_id": agent_id, "pairing_code": None}
            old = Agent.objects.filter(state__in=RECORDING_STATES, cameras__room=self.room).distinct().first()
            code = create_pairing_code(self.studio, actor=self._admin, agent_name=AGENT_NAME, replaces=old)
        return {"agent_id": None, "pairing_code": code.text}

    def set_cameras(self, agent_id: str, addresses: Mapping[str, str]) -> Facts:
        """Sets the addresses of the room's cameras by position; cameras at other positions are switched off.

        Raises:
            BadRequest: an address or a position is invalid; the text names it.
            NotFound: there is no such agent.
        """
        with studio_scope(self.studio.id):
            agent = self._agent(agent_id)
            present = {camera.position: camera for camera in Camera.objects.filter(room=self.room)}
            for position, address in addresses.items():
                if position not in set(Position):
                    raise BadRequest(f"camera {position}: the position must be one of {', '.join(Position)}")
                if position in present:
                    camera = present[position]
                    change_camera(
                        camera,
                        actor=self._admin,
                        address=address,
                        agent=_changed_agent(agent, camera),
                        enabled=True,
                    )
                else:
                    add_camera(
                        self.room,
                        agent,
                        name=CAMERA_NAMES[Position(position)],
                        position=position,
                        address=address,
                        actor=self._admin,
                    )
            for position, camera in present.items():
                if position not in addresses and camera.enabled:
                    change_camera(camera, actor=self._admin, enabled=False)
            cameras = Camera.objects.filter(room=self.room, enabled=True).order_by("position")
            return {
                "cameras": [
                    {"id": str(camera.id), "name": camera.name, "position": camera.position}
                    for camera in cameras
                ]
            }

    def cameras(self, agent_id: str, since_at: str) -> Facts:
        """Returns the state of the agent and its cameras, ignoring status reports from before `since_at`."""
        since = datetime.fromisoformat(since_at)
        with studio_scope(self.studio.id):
            agent = self._agent(agent_id)
            status = fresh_status(agent)
            statuses = camera_statuses(agent) if status and status.now_at > since else {}
            rows = Camera.objects.filter(room=self.room, enabled=True).order_by("position")
            return {
                "online": agent.last_seen_at is not None and agent.last_seen_at > since,
                "acknowledged": is_acknowledged(agent),
                "cameras": [_camera_facts(camera, statuses.get(camera.id)) for camera in rows],
            }

    def record(self, title: str) -> Facts:
        """Starts a recording as Ivan; first stops a class that an earlier run left running.

        Raises:
            ControlPlaneError: the service refused.
        """
        with studio_scope(self.studio.id):
            running = running_class(self.room)
            if running:
                stop_class(running, actor=self._instructor)
            class_session = start_class(self.room, actor=self._instructor, title=title)
        page = reverse("portal:class", kwargs={"slug": SLUG, "class_id": class_session.id})
        return {"class_id": str(class_session.id), "address": f"{settings.PUBLIC_URL}{page}"}

    def stop(self, class_id: str) -> Facts:
        """Stops the recording as Ivan."""
        with studio_scope(self.studio.id):
            stop_class(self._class(class_id), actor=self._instructor)
        return {}

    def progress(self, class_id: str) -> Facts:
        """Returns the progress of a class."""
        with studio_scope(self.studio.id):
            class_session = self._class(class_id)
            recorders = list(AgentRecording.objects.filter(class_session=class_session))
            rows = Segment.objects.filter(class_session=class_session)
            return {
                "state": class_session.state,
                "state_label": ClassState(class_session.state).label,
                "has_ended": class_session.has_ended,
                "requested_at": _iso(class_session.requested_at),
                "started_at": _iso(class_session.started_at),
                "stop_requested_at": _iso(class_session.stop_requested_at),
                "finished_at": _iso(class_session.finished_at),
                "cameras_recording": sum(recorder.cameras_recording for recorder in recorders),
                "segments_made": sum(recorder.segments_made for recorder in recorders),
                "segments_pending": sum(recorder.segments_pending for recorder in recorders),
                "segments_arrived": rows.count(),
                "now_at": _iso(timezone.now()),
            }

    def report(self, class_id: str) -> Facts:
        """Returns the recorded footage and gaps of a class, per camera."""
        with studio_scope(self.studio.id):
            class_session = self._class(class_id)
            timeline = class_timeline(class_session)
            return {
                "class": {
                    "id": class_id,
                    "title": class_session.title,
                    "state": class_session.state,
                    "start_at": _iso(timeline.start_at),
                    "seconds": timeline.duration_us / 1e6,
                },
                "cameras": [
                    _track_facts(track)
                    for track in Track.objects.filter(class_session=class_session).order_by("position")
                ],
            }

    def links(self) -> Facts:
        """Returns new one-time sign-in links, one for each person of the demo."""
        return {
            part: create_signin_link(user, actor=SYSTEM, ttl=LINK_LIFETIME)
            for part, user in self.people.items()
        }

    def _agent(self, agent_id: str) -> Agent:
        found: Agent | None = Agent.objects.filter(pk=UUID(agent_id)).first()
        if found is None:
            raise NotFound(f"agent {agent_id} does not exist in the studio")
        return found

    def _class(self, class_id: str) -> ClassSession:
        found: ClassSession | None = ClassSession.objects.filter(pk=UUID(class_id)).first()
        if found is None:
            raise NotFound(f"class {class_id} does not exist in the studio")
        return found


def _get_or_create_user(email: str, name: str) -> User:
    found: User | None = User.objects.filter(email__iexact=email).first()
    return found or create_user(email, actor=SYSTEM, display_name=name, is_staff=email == PEOPLE["admin"][0])


def _changed_agent(agent: Agent, camera: Camera) -> Agent | None:
    return None if camera.agent_id == agent.id else agent


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _camera_facts(camera: Camera, status: Any) -> Facts:
    facts: Facts = {
        "id": str(camera.id),
        "name": camera.name,
        "position": camera.position,
        "state": "unknown",
    }
    if status is not None:
        facts |= {
            "state": str(status.state),
            "error": str(status.error) if status.error else None,
            "detail": status.error_detail,
            "hint": CAMERA_HINTS[status.error] if status.error else "",
            "failures": status.failures_in_row,
        }
    return facts


def _track_facts(track: Track) -> Facts:
    segments = list(Segment.objects.filter(track=track).order_by("sequence"))
    gaps = list(Gap.objects.filter(track=track).order_by("from_at"))
    fragments = [fragment for segment in segments for fragment in segment.fragments]
    facts: Facts = {
        "track_id": str(track.id),
        "camera_id": str(track.camera_id),
        "name": track.name,
        "position": track.position,
        "segments": len(segments),
        "fragments": len(fragments),
        "frames": sum(fragment.frames for fragment in fragments),
        "seconds": sum(fragment.duration_90k for fragment in fragments) / 90_000,
        "bytes": sum(segment.size_bytes for segment in segments),
        "gaps": [
            {
                "from_at": _iso(gap.from_at),
                "to_at": _iso(gap.to_at),
                "seconds": (gap.to_at - gap.from_at).total_seconds(),
                "reason": gap.reason,
                "inferred": gap.inferred,
            }
            for gap in gaps
        ],
    }
    if segments:
        last = segments[-1]
        lags = [(segment.created_at - segment.closed_at).total_seconds() for segment in segments]
        facts |= {
            "codec": last.video_codec_string,
            "size_px": [last.width, last.height],
            "fps": last.fps,
            "audio_codec": last.audio_codec_string or None,
            "clock": {
                "method": last.clock_method,
                "error_bound_ms": last.clock_error_bound_us / 1000,
                "provisional": last.clock_provisional,
            },
            "upload_lag_s": {"mean": sum(lags) / len(lags), "max": max(lags)},
        }
    return facts
