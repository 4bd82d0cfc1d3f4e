"""Answers of this app to questions of other apps."""

from django.utils.translation import gettext as _

from control_plane.data_requests.models import DataRequest
from control_plane.people.events import DataSection, PersonalData


def _requests(question: PersonalData) -> list[DataSection]:
    rows = DataRequest.objects.filter(dancer_id=question.dancer_id).order_by("received_on", "id")
    return [
        DataSection(
            "requests",
            _("Requests about data"),
            [
                {
                    "kind": row.kind,
                    "requester": row.requester,
                    "received_on": row.received_on.isoformat(),
                    "due_on": row.due_on.isoformat(),
                    "state": row.state,
                    "closed_at": row.closed_at.isoformat() if row.closed_at else None,
                    "note": row.note,
                    "answer": row.answer,
                }
                for row in rows
            ],
        )
    ]


PersonalData.answer_with(_requests)
