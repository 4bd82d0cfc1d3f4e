"""Events and questions of other apps that exports answer. `config.registry` imports this when the models are loaded."""

from django.utils.translation import gettext as _

from control_plane.exports.models import Export
from control_plane.exports.removal import leave_store, remove_of_class
from control_plane.people.events import DataSection, PersonalData
from control_plane.recordings.events import ClassShredded, StoreRetiring
from control_plane.recordings.models import Appearance


def _exports_of(question: PersonalData) -> list[DataSection]:
    classes = Appearance.objects.filter(dancer_id=question.dancer_id).values("class_session_id")
    rows = Export.objects.filter(class_session_id__in=classes).select_related("class_session")
    return [
        DataSection(
            "exports",
            _("Exports of classes"),
            [
                {
                    "class": row.class_session.title,
                    "requested_at": row.created_at.isoformat(),
                    "state": row.state,
                    "downloads": row.downloads,
                    "expires_at": row.expires_at.isoformat() if row.expires_at else None,
                }
                for row in rows.order_by("created_at", "id")
            ],
        )
    ]


ClassShredded.subscribe(remove_of_class)
StoreRetiring.subscribe(leave_store)
PersonalData.answer_with(_exports_of)
