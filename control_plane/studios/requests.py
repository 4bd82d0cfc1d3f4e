"""What a view under `/studio/<slug>/` is given."""

from django.http import HttpRequest

from control_plane.common.actors import Actor
from control_plane.studios.models import Membership, Studio


class StudioRequest(HttpRequest):
    """A request of a signed-in member, inside the studio's scope; made by `middleware.StudioScope`."""

    studio: Studio
    membership: Membership
    actor: Actor
    request_id: str
