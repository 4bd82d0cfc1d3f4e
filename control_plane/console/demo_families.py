"""The families of the demo studio: dancers, a guardian, consents (one missing), a roster, a share link."""

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.console.demo import DemoStudio, Facts
from control_plane.people.consent_models import ConsentAnswer, ConsentPurpose, ConsentRecord, ConsentRequest
from control_plane.people.consent_selectors import missing_consents
from control_plane.people.consent_services import record_paper
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Guardianship, Relation
from control_plane.people.services import add_dancer, start_guardianship
from control_plane.recordings.models import ClassSession
from control_plane.recordings.rosters import save_roster
from control_plane.sharing.links import LinkFacts, make_link

MIA, NOA, LEO = "Mia Rao", "Noa Weiss", "Leo Brandt"
DANCING = (MIA, NOA)
"""The roster of the recorded class. Nobody has answered for Leo, so a class with Leo could not be shared."""
BIRTH_YEARS = {MIA: 2015, NOA: 2016, LEO: 2014}
PURPOSES = (
    ConsentPurpose.RECORD,
    ConsentPurpose.REPLAY,
    ConsentPurpose.SHARE,
    ConsentPurpose.EXPORT,
)


def share(demo: DemoStudio, class_id: str) -> Facts:
    """Adds the families, confirms the roster of a complete class as Alice, and shares the class by a link.

    Raises:
        ControlPlaneError: a service refused.
    """
    admin = Actor.user(demo.people["admin"].id)
    with studio_scope(demo.studio.id):
        dancers = _furnish(demo, admin)
        class_session = ClassSession.objects.get(pk=UUID(class_id))
        save_roster(class_session, [dancers[name].id for name in DANCING], confirm=True, actor=admin)
        made = make_link(class_session, LinkFacts(), actor=admin)
        return {"share": {"address": made.address, "pin": made.pin}, "consent": _consent_facts(dancers)}


def _furnish(demo: DemoStudio, admin: Actor) -> dict[str, Dancer]:
    """Adds the dancers, with a guardian of Mia and consents on paper for those who dance; idempotent."""
    guardian = demo.people["guardian"]
    dancers = {
        name: Dancer.objects.filter(name=name).first()
        or add_dancer(demo.studio, NewDancer(name, birth_year=year), actor=admin)
        for name, year in BIRTH_YEARS.items()
    }
    if not Guardianship.objects.filter(dancer=dancers[MIA], user=guardian, ended_at=None).exists():
        start_guardianship(dancers[MIA], guardian, Relation.PARENT, actor=admin)
    yesterday = timezone.localdate() - timedelta(days=1)
    for name in DANCING:
        if not ConsentRecord.objects.filter(dancer=dancers[name]).exists():
            answers = dict.fromkeys(PURPOSES, ConsentAnswer.GRANTED)
            record_paper(
                dancers[name], answers, signed_by=f"Guardian of {name}", signed_on=yesterday, actor=admin
            )
    return dancers


def _consent_facts(dancers: dict[str, Dancer]) -> dict[str, int]:
    """Returns how many of the dancers were asked by e-mail, have allowed that they are shared, and have not."""
    ids = [dancer.id for dancer in dancers.values()]
    missing = missing_consents(ids, ConsentPurpose.SHARE, timezone.now())
    asked = ConsentRequest.objects.filter(dancer_id__in=ids).values("dancer_id").distinct().count()
    return {"asked": asked, "given": len(ids) - len(missing), "missing": len(missing)}
