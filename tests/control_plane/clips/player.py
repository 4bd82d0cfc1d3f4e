"""Makes clips of a scene, and plays them as a browser does."""

from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from django.db.models import ProtectedError

from control_plane.accounts.models import User
from control_plane.clips.models import Clip, ClipSegment
from control_plane.clips.services import ClipFacts, make_clip
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import Segment, Track
from control_plane.recordings.shredding import expire_class, remove_shredded
from tests.control_plane.conftest import as_person
from tests.control_plane.scenes import Scene

PARTS = ("check", "timeline", "playlist", "init", "key", "bytes")
RETENTION = Actor.system("retention.run")


def clip_of(scene: Scene, from_s: float = 0, to_s: float = 3, **facts: Any) -> Clip:
    """Returns a new clip of the scene's class, made by Ivan: its first segment, unless said otherwise."""
    return make_clip(scene.session, ClipFacts(from_s, to_s, **facts), actor=scene.cast.ivan.actor)


def track_of(scene: Scene, camera: str) -> Track:
    """Returns the track of a camera."""
    with studio_scope(scene.cast.studio.id):
        row: Track = Track.objects.get(class_session=scene.session, camera_id=scene.cameras[camera].id)
        return row


def segments_of(scene: Scene, camera: str) -> list[Segment]:
    """Returns the segments of a camera, in order."""
    with studio_scope(scene.cast.studio.id):
        return list(Segment.objects.filter(track=track_of(scene, camera)).order_by("sequence"))


def objects_of(scene: Scene, clip: Clip) -> set[str]:
    """Returns the objects that a clip needs."""
    with studio_scope(scene.cast.studio.id):
        rows = ClipSegment.objects.filter(clip=clip)
        return set(rows.values_list("segment__object_key", flat=True))


def expire(scene: Scene) -> None:
    """Ends the retention of the class, and lets the job remove it."""
    expire_class(scene.reread(), reason="the end of its retention", actor=RETENTION)
    try:
        with studio_scope(scene.cast.studio.id):
            assert remove_shredded() == 1
    except ProtectedError as error:
        raise AssertionError("it would have removed what a clip needs") from error


class Player:
    """One person and one clip."""

    def __init__(self, scene: Scene, clip: Clip, person: User | None = None) -> None:
        self.client = as_person(person or scene.cast.ivan)
        self.folder = f"/studio/{scene.cast.studio.slug}/clips/{clip.id}"

    def get(self, part: str, track_id: UUID, row: Segment, *, fragment: int = 0, **headers: str) -> Any:
        """Asks for one part of playback."""
        if part == "bytes":
            place = row.fragments[fragment]
            last = place.offset_bytes + place.size_bytes - 1
            headers = {"Range": f"bytes={place.offset_bytes}-{last}"} | headers
        paths = {
            "check": "check",
            "timeline": "timeline.json",
            "playlist": f"tracks/{track_id}/playlist.m3u8",
            "init": f"tracks/{track_id}/init/{row.id}.mp4",
            "key": f"segments/{row.id}/key",
            "bytes": f"segments/{row.id}/bytes.m4s",
        }
        return self.client.get(f"{self.folder}/{paths[part]}", headers=headers)

    def status(self, part: str, row: Segment, *, fragment: int = 0) -> int:
        """Returns the status of one part."""
        code: int = self.get(part, row.track_id, row, fragment=fragment).status_code
        return code

    def statuses(self, row: Segment) -> set[int]:
        """Returns the statuses of all parts."""
        return {self.status(part, row) for part in PARTS}

    def picture(self, row: Segment, fragment: int = 0) -> bytes:
        """Returns a fragment in clear, decrypted as a player does."""
        content_key = self.get("key", row.track_id, row).content
        sealed = self.get("bytes", row.track_id, row, fragment=fragment).content
        iv = bytes.fromhex(row.fragments[fragment].iv)
        decryptor = Cipher(algorithms.AES(content_key), modes.CBC(iv)).decryptor()
        return decryptor.update(sealed) + decryptor.finalize()
