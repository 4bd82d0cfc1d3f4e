"""Answers of people to the question which data is held about a dancer."""

from django.utils.translation import gettext as _

from control_plane.people.consent_models import ConsentRecord, ConsentRequest
from control_plane.people.events import DataSection, PersonalData
from control_plane.people.models import Dancer, GuardianInvitation, Guardianship


def _dancer(question: PersonalData) -> list[DataSection]:
    dancer = Dancer.objects.get(pk=question.dancer_id)
    details = {
        "name": dancer.name,
        "birth_year": dancer.birth_year,
        "birth_date": dancer.birth_date.isoformat() if dancer.birth_date else None,
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
        DataSection("guardian-invitations", _("Invitations of guardians"), _invited(dancer)),
        DataSection("consents", _("Answers about consent"), _consents(dancer)),
        DataSection("consent-requests", _("Requests for consent"), _requests(dancer)),
    ]


def _invited(dancer: Dancer) -> list[dict[str, object]]:
    rows = GuardianInvitation.objects.filter(dancer=dancer).select_related("invitation")
    return [
        {"email": row.invitation.email, "relation": row.relation, "invited_at": row.created_at.isoformat()}
        for row in rows
    ]


def _consents(dancer: Dancer) -> list[dict[str, object]]:
    rows = ConsentRecord.objects.filter(dancer=dancer).select_related("notice").order_by("answered_at", "id")
    return [
        {
            "purpose": row.purpose,
            "answer": row.answer,
            "answered_at": row.answered_at.isoformat(),
            "method": row.method,
            "signed_by": row.signed_by,
            "signed_as": row.signer,
            "signed_on": row.signed_on.isoformat() if row.signed_on else None,
            "notice": row.notice.version if row.notice else None,
            "language": row.notice.language if row.notice else None,
        }
        for row in rows
    ]


def _requests(dancer: Dancer) -> list[dict[str, object]]:
    rows = ConsentRequest.objects.filter(dancer=dancer).select_related("user").order_by("created_at", "id")
    return [
        {
            "to": row.user.email,
            "purposes": " ".join(row.purposes),
            "sent_at": row.sent_at.isoformat() if row.sent_at else None,
            "answered_at": row.answered_at.isoformat() if row.answered_at else None,
        }
        for row in rows
    ]


PersonalData.answer_with(_dancer)
