"""Events and questions of other apps that exports answer. `config.registry` imports this when the models are loaded."""

from django.utils.translation import gettext as _

from control_plane.exports.removal import end_of_dancer, end_of_footage, leave_store, remove_of_class
from control_plane.exports.selectors import exports_of_dancer
from control_plane.people.events import DancerErased, DataSection, PersonalData
from control_plane.recordings.events import ClassShredded, FootageDestroyed, StoreRetiring


def _exports_of(question: PersonalData) -> list[DataSection]:
    rows = exports_of_dancer(question.dancer_id).select_related("class_session")
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
DancerErased.subscribe(end_of_dancer)
FootageDestroyed.subscribe(end_of_footage)
StoreRetiring.subscribe(leave_store)
PersonalData.answer_with(_exports_of)
