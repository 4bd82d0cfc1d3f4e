"""The request type of views under `/studio/<slug>/`."""

from django.http import HttpRequest

from control_plane.access.models import BreakGlass
from control_plane.common.actors import Actor
from control_plane.tenancy.models import Membership, Studio


class StudioRequest(HttpRequest):
    """A request of a member or a platform operator inside the studio's scope, made by `identity.middleware.StudioScope`.

    `membership` is for display; only `access` decides. None: an operator, whose access is `break_glass`.
    """

    studio: Studio
    membership: Membership | None
    break_glass: BreakGlass | None
    actor: Actor
    request_id: str
