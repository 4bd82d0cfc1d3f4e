"""The request type of views under `/studio/<slug>/`."""

from django.http import HttpRequest

from control_plane.access.models import BreakGlass
from control_plane.common.actors import Actor
from control_plane.tenancy.models import Membership, Studio


class StudioRequest(HttpRequest):
    """A request inside the studio's scope, of a member or of a platform operator; made by `identity.middleware.StudioScope`.

    `membership` is for showing what somebody is; what they may do is `access`'s to say. None: an operator, who is here
    by `break_glass` alone.
    """

    studio: Studio
    membership: Membership | None
    break_glass: BreakGlass | None
    actor: Actor
    request_id: str
