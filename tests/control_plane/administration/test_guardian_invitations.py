"""Guardians invited by e-mail: accepting makes a member, and only a person who manages dancers makes the guardian."""

import contextlib
import re

import pytest
from django.core import mail

from control_plane.accounts.models import User
from control_plane.administration.services.guardian_invitations import (
    approve_guardian,
    decline_guardian,
    invite_guardian,
)
from control_plane.administration.services.invitations import accept, revoke
from control_plane.audit.models import Entry
from control_plane.common.errors import Conflict, Forbidden, NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.people import services as people
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, GuardianInvitation, Guardianship, Relation
from control_plane.tenancy.models import Membership
from tests.control_plane.conftest import Cast, as_person

ADDRESS = "mira@example.org"


@pytest.fixture
def dancer(cast: Cast) -> Dancer:
    """A dancer without guardians."""
    return people.add_dancer(cast.studio, NewDancer("Dana", 2015), actor=cast.alice.actor)


def waiting(cast: Cast) -> GuardianInvitation:
    with studio_scope(cast.studio.id):
        row: GuardianInvitation = GuardianInvitation.objects.select_related("invitation", "dancer").get()
        return row


def guardians(cast: Cast, dancer: Dancer) -> list[str]:
    with studio_scope(cast.studio.id):
        rows = Guardianship.objects.filter(dancer=dancer, ended_at=None)
        return sorted(rows.values_list("user__email", flat=True))


def accepted() -> User:
    """Accepts the newest invitation that was mailed."""
    found = re.search(r"token=(\S+)", str(mail.outbox[-1].body))
    assert found
    return accept(found[1], user=None)


def test_accepting_makes_a_member_and_approving_the_guardian(cast: Cast, dancer: Dancer) -> None:
    invite_guardian(dancer, ADDRESS, Relation.CARER, actor=cast.alice.actor)
    person = accepted()
    assert cast.role_of(person) == Role.GUARDIAN
    assert guardians(cast, dancer) == []
    tie = approve_guardian(waiting(cast), actor=cast.alice.actor)
    assert guardians(cast, dancer) == [ADDRESS]
    assert tie.relation == Relation.CARER
    with studio_scope(cast.studio.id):
        assert not GuardianInvitation.objects.exists()
        assert Entry.objects.filter(action="guardian.invited", object_id=str(dancer.id)).count() == 1


def test_nobody_is_approved_before_they_accept(cast: Cast, dancer: Dancer) -> None:
    invite_guardian(dancer, ADDRESS, Relation.PARENT, actor=cast.alice.actor)
    with pytest.raises(Conflict, match="Nobody has accepted"):
        approve_guardian(waiting(cast), actor=cast.alice.actor)
    assert guardians(cast, dancer) == []


def test_a_parent_of_two_accepts_once(cast: Cast, dancer: Dancer) -> None:
    other = people.add_dancer(cast.studio, NewDancer("Eli", 2014), actor=cast.alice.actor)
    before = len(mail.outbox)
    for one in (dancer, other):
        invite_guardian(one, f" {ADDRESS.upper()}", Relation.PARENT, actor=cast.alice.actor)
    assert len(mail.outbox) == before + 1
    with pytest.raises(Conflict, match="for this dancer already"):
        invite_guardian(other, ADDRESS, Relation.PARENT, actor=cast.alice.actor)
    accepted()
    with studio_scope(cast.studio.id):
        rows = list(GuardianInvitation.objects.all())
    for row in rows:
        approve_guardian(row, actor=cast.alice.actor)
    assert guardians(cast, dancer) == guardians(cast, other) == [ADDRESS]


def test_a_member_is_added_and_not_invited(cast: Cast, dancer: Dancer) -> None:
    with pytest.raises(Conflict, match="member already"):
        invite_guardian(dancer, cast.gita.email, Relation.PARENT, actor=cast.alice.actor)


def test_a_declined_person_stays_a_member_and_sees_no_dancer(cast: Cast, dancer: Dancer) -> None:
    invite_guardian(dancer, ADDRESS, Relation.PARENT, actor=cast.alice.actor)
    person = accepted()
    row = waiting(cast)
    decline_guardian(row, actor=cast.alice.actor)
    assert cast.role_of(person) == Role.GUARDIAN
    for decide in (approve_guardian, decline_guardian):
        with pytest.raises(NotFound):
            decide(row, actor=cast.alice.actor)
    assert guardians(cast, dancer) == []


def test_who_has_left_the_studio_is_not_approved(cast: Cast, dancer: Dancer) -> None:
    invite_guardian(dancer, ADDRESS, Relation.PARENT, actor=cast.alice.actor)
    person = accepted()
    with studio_scope(cast.studio.id):
        Membership.objects.filter(user=person).delete()
    with pytest.raises(NotFound):
        approve_guardian(waiting(cast), actor=cast.alice.actor)
    assert guardians(cast, dancer) == []


@pytest.mark.parametrize("name", ["ivan", "vera", "gita", "pat"])
def test_others_neither_invite_nor_decide(cast: Cast, dancer: Dancer, name: str) -> None:
    actor = getattr(cast, name).actor
    with pytest.raises((Forbidden, NotFound)):
        invite_guardian(dancer, ADDRESS, Relation.PARENT, actor=actor)
    invite_guardian(dancer, ADDRESS, Relation.PARENT, actor=cast.alice.actor)
    accepted()
    for decide in (approve_guardian, decline_guardian):
        row = waiting(cast)
        with contextlib.suppress(Forbidden, NotFound):
            decide(row, actor=actor)
        with studio_scope(cast.studio.id):
            assert GuardianInvitation.objects.filter(pk=row.pk).exists()
    assert guardians(cast, dancer) == []


def test_the_page_of_the_dancer_invites_and_approves(cast: Cast, dancer: Dancer) -> None:
    alice, page = as_person(cast.alice), f"/studio/{cast.studio.slug}/dancers/{dancer.id}/"
    text = alice.post(
        f"{page}guardians/invite/", {"email": ADDRESS, "relation": "parent"}, follow=True
    ).content.decode()
    assert "not accepted yet" in text
    assert 'name="approve"' not in text
    accepted()
    text = alice.get(page).content.decode()
    assert "waits for your approval" in text
    address = f"{page}guardians/invited/{waiting(cast).id}/"
    assert address in text
    text = alice.post(address, {"approve": "1"}, follow=True).content.decode()
    assert "is now guardian of Dana" in text
    assert guardians(cast, dancer) == [ADDRESS]


def test_a_revoked_invitation_is_no_longer_listed(cast: Cast, dancer: Dancer) -> None:
    offer = invite_guardian(dancer, ADDRESS, Relation.PARENT, actor=cast.alice.actor)
    revoke(offer.invitation, actor=cast.alice.actor)
    page = f"/studio/{cast.studio.slug}/dancers/{dancer.id}/"
    assert ADDRESS not in as_person(cast.alice).get(page).content.decode()
