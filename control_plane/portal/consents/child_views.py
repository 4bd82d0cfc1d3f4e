"""The page of a family: everything that the studio has of one dancer."""

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from control_plane.access.requests import StudioRequest
from control_plane.accounts.models import User
from control_plane.common.errors import NotFound
from control_plane.data_requests.family_report import family_report
from control_plane.people.models import Dancer
from control_plane.portal.consents.presenter import children_of
from control_plane.portal.page import actor_of, studio_page


@require_safe
def child(request: StudioRequest, slug: str, dancer_id: UUID) -> HttpResponse:
    """Shows a person what the studio has of a dancer for whom they answer."""
    actor = actor_of(request)
    dancer = Dancer.objects.filter(pk=dancer_id).first()
    if dancer is None or not isinstance(request.user, User):
        raise NotFound
    report = family_report(dancer, reader=actor)
    found = [one for one in children_of(request.user, request.studio.name) if one.dancer.pk == dancer.pk]
    context = {"section": "children", "report": report, "child": found[0] if found else None}
    return studio_page(request, "portal/consents/child.html", context)
