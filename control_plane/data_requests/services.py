"""Writes of requests about data: open, close."""

from datetime import date

from django.utils import timezone
from django.utils.translation import gettext as _

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest
from control_plane.common.names import clean_name
from control_plane.common.saving import save_new
from control_plane.common.scoping import studio_scope
from control_plane.data_requests.audit_events import DATA_REQUEST_CLOSED, DATA_REQUEST_ENTERED
from control_plane.data_requests.deadlines import due_on
from control_plane.data_requests.models import CLOSED, DataRequest, RequestKind, RequestState
from control_plane.data_requests.permissions import ANSWER_DATA_REQUESTS
from control_plane.people.consent_services import studio_zone
from control_plane.people.models import Dancer
from control_plane.plans.rate_limits import require_rate

OLDEST_DAYS = 366


def open_request(
    dancer: Dancer, kind: RequestKind, *, requester: str, received_on: date, note: str = "", actor: Actor
) -> DataRequest:
    """Enters a request about the data of a dancer.

    Args:
        requester: the name of the person who asked.
        received_on: the day on which the studio got it; the time limit counts from it.

    Raises:
        BadRequest: no name, or a day in the future or more than a year ago.
        Conflict: a request of this kind about this dancer is open.
        NotFound, Forbidden: `actor` may not answer requests.
        TooManyRequests: too many within an hour.
    """
    with studio_scope(dancer.studio_id):
        access.require(actor, ANSWER_DATA_REQUESTS, dancer)
        require_rate(DATA_REQUEST_ENTERED, actor=actor)
        requester = clean_name(requester)
        if not requester:
            raise BadRequest(_("Enter the name of the person who asked."))
        today = timezone.localdate(timezone=studio_zone(dancer.studio_id))
        if not 0 <= (today - received_on).days <= OLDEST_DAYS:
            raise BadRequest(_("The day on which the request arrived must be within the past year."))
        row = DataRequest(
            studio_id=dancer.studio_id,
            kind=RequestKind(kind),
            dancer_id=dancer.id,
            requester=requester[:120],
            note=note.strip()[:1000],
            received_on=received_on,
            due_on=due_on(received_on),
        )
        save_new(row, _("A request of this kind about this dancer is open already."))
        record_for(
            DATA_REQUEST_ENTERED,
            dancer,
            actor=actor,
            details={"request": str(row.id), "kind": row.kind, "due_on": row.due_on.isoformat()},
        )
    return row


def close_request(
    request: DataRequest, state: RequestState, *, answer: str = "", actor: Actor
) -> DataRequest:
    """Closes a request. An erasure is closed as done by `erasure.erase_dancer` only.

    Raises:
        BadRequest: `state` is no end, a refusal gives no reason, or an erasure would be done without erasing.
        TransitionRefused: the request is closed already.
        NotFound, Forbidden: `actor` may not answer requests.
    """
    with studio_scope(request.studio_id):
        access.require(actor, ANSWER_DATA_REQUESTS, request)
        answer = answer.strip()[:1000]
        if state not in CLOSED:
            raise BadRequest(_("A request is closed as done, refused or withdrawn."))
        if state is RequestState.REFUSED and not answer:
            raise BadRequest(_("Say why the request is refused: the person has a right to know."))
        if state is RequestState.DONE and request.kind == RequestKind.ERASURE:
            raise BadRequest(_("Erase the dancer: that closes the request, with a receipt."))
        request.transition(state, closed_at=timezone.now(), closed_by=actor.id, answer=answer)
        record_for(
            DATA_REQUEST_CLOSED, request, actor=actor, details={"kind": request.kind, "state": state.value}
        )
    return request
