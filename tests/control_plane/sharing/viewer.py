"""A browser without an account that opens a share link."""

import json
from typing import Any

from django.test import Client

from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import Segment, Track
from control_plane.sharing.links import LinkFacts, MadeLink, make_link
from tests.control_plane.scenes import Scene

PARTS = ("check", "timeline", "playlist", "init", "key", "bytes")


def shared(scene: Scene, **facts: Any) -> MadeLink:
    """Returns a new link of the scene's class, made by Alice."""
    return make_link(scene.session, LinkFacts(**{"with_pin": False} | facts), actor=scene.cast.alice.actor)


class Viewer:
    """One browser and one link."""

    def __init__(self, made: MadeLink, address: str = "203.0.113.7") -> None:
        self.made, self.address = made, address
        self.client = Client(REMOTE_ADDR=address)
        self.folder = f"/s/{made.link.public_id}"
        self.secret = made.address.partition("#")[2]

    def open(self, *, pin: str | None = None, secret: str | None = None) -> Any:
        """Trades the secret for a cookie."""
        body = {
            "secret": self.secret if secret is None else secret,
            "pin": self.made.pin if pin is None else pin,
        }
        return self.client.post(f"{self.folder}/open", json.dumps(body), content_type="application/json")

    def get(self, part: str, scene: Scene, *, camera: str = "left", segment: int = 0, **headers: str) -> Any:
        """Asks for one part of playback."""
        with studio_scope(scene.cast.studio.id):
            track = Track.objects.get(class_session=scene.session, camera_id=scene.cameras[camera].id)
            row = Segment.objects.filter(track=track).order_by("sequence")[segment]
        if part == "bytes":
            first = row.fragments[0]
            last = first.offset_bytes + first.size_bytes - 1
            headers = {"Range": f"bytes={first.offset_bytes}-{last}"} | headers
        paths = {
            "check": "check",
            "timeline": "timeline.json",
            "playlist": f"tracks/{track.id}/playlist.m3u8",
            "init": f"tracks/{track.id}/init/{row.id}.mp4",
            "key": f"segments/{row.id}/key",
            "bytes": f"segments/{row.id}/bytes.m4s",
        }
        return self.client.get(f"{self.folder}/{paths[part]}", headers=headers)

    def statuses(self, scene: Scene, **where: Any) -> set[int]:
        """Returns the statuses of all parts."""
        return {self.get(part, scene, **where).status_code for part in PARTS}
