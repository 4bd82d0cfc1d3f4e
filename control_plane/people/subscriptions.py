"""Answers of people to the question which data is held about a dancer."""

from django.utils.translation import gettext as _

from control_plane.people.events import DataSection, PersonalData
from control_plane.people.models import Dancer, Guardianship


def _dancer(question: PersonalData) -> list[DataSection]:
    dancer = Dancer.objects.get(pk=question.dancer_id)
    details = {
        "name": dancer.name,
        "birth_year": dancer.birth_year,
        "protected": dancer.protected,
        "note": dancer.note,
        "added_at": dancer.created_at.isoformat(),
        "left_at": dancer.left_at.isoformat() if dancer.left_at else None,
    }
    ties = Guardianship.objects.filter(dancer=dancer).select_related("user").order_by("started_at")
    guardians = [
        {
            "name": tie.user.get_full_name(),
            "email": tie.user.email,
            "relation": tie.relation,
            "since": tie.started_at.isoformat(),
            "until": tie.ended_at.isoformat() if tie.ended_at else None,
        }
        for tie in ties
    ]
    return [
        DataSection("dancer", _("Details of the dancer"), [details]),
        DataSection("guardians", _("Guardians"), guardians),
    ]


PersonalData.answer_with(_dancer)
