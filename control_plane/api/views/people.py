"""People: members, their permissions, and invitations."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.access import access
from control_plane.access.audit_events import PEOPLE_LISTED, PERSON_OPENED
from control_plane.access.reads import note_read
from control_plane.administration import services
from control_plane.administration.services import invitations
from control_plane.api import shapes
from control_plane.api.resource import Resource, get_or_404
from control_plane.common.errors import BadRequest
from control_plane.common.roles import Role
from control_plane.tenancy.models import Invitation, Membership
from control_plane.tenancy.permissions import MANAGE_PEOPLE


class MemberForm(serializers.Serializer[Any]):
    """Writable fields of a membership."""

    role = serializers.ChoiceField(choices=Role.choices)
    ends_at = serializers.DateTimeField(allow_null=True)


class Members(Resource):
    """All members."""

    needs = MANAGE_PEOPLE

    def get(self, request: Request, slug: str) -> Response:
        """Lists them by name; `?q=` searches names and e-mail addresses, `?role=` filters by role."""
        found = access.visible(self.actor, Membership).select_related("user")
        if wanted := request.query_params.get("q", "")[:80]:
            found = found.filter(Q(user__display_name__icontains=wanted) | Q(user__email__icontains=wanted))
        if role := request.query_params.get("role", ""):
            if role not in Role.values:
                raise BadRequest(f"role: must be one of {', '.join(Role.values)}.")
            found = found.filter(role=role)
        note_read(PEOPLE_LISTED, self.studio, actor=self.actor)
        return self.page(found.order_by("user__display_name", "user__email", "pk"), shapes.member)


class Member(Resource):
    """One member."""

    needs = MANAGE_PEOPLE

    def get(self, request: Request, slug: str, member_id: UUID) -> Response:
        """Returns the member, and the person's permissions in the whole studio, with the reasons."""
        found = self._found(member_id)
        note_read(PERSON_OPENED, found, actor=self.actor)
        answers = access.what_can(found.user, self.studio.studio_id)
        can = [{"action": action} | shapes.decision(answer) for action, answer in answers]
        return Response(shapes.member(found) | {"can": can})

    def patch(self, request: Request, slug: str, member_id: UUID) -> Response:
        """Changes the role or the end of the membership."""
        found, values = self._found(member_id), self.validated_body(MemberForm, partial=True)
        with transaction.atomic():
            # Remove an end before the role changes and set one after it: an admin's membership has none.
            if "ends_at" in values and values["ends_at"] is None:
                services.set_membership_end(found, None, actor=self.actor)
            if "role" in values:
                services.change_role(found, Role(values["role"]), actor=self.actor)
            if values.get("ends_at") is not None:
                services.set_membership_end(found, values["ends_at"], actor=self.actor)
        return Response(shapes.member(self._found(member_id)))

    def delete(self, request: Request, slug: str, member_id: UUID) -> Response:
        """Ends the membership and every grant that depends on it."""
        services.remove_member(self._found(member_id), actor=self.actor)
        return Response(status=204)

    def _found(self, member_id: UUID) -> Membership:
        return get_or_404(
            access.visible(self.actor, Membership).select_related("user", "studio"), pk=member_id
        )


class InvitationForm(serializers.Serializer[Any]):
    """The e-mail address, role and end of a new membership."""

    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=Role.choices)
    membership_ends_at = serializers.DateTimeField(allow_null=True, required=False)


class Invitations(Resource):
    """All invitations."""

    needs = MANAGE_PEOPLE

    def get(self, request: Request, slug: str) -> Response:
        """Lists them, newest first."""
        note_read(PEOPLE_LISTED, self.studio, actor=self.actor)
        found = access.visible(self.actor, Invitation).order_by("-created_at", "pk")
        return self.page(found, shapes.invitation)

    def post(self, request: Request, slug: str) -> Response:
        """Creates an invitation. `link` is set only without a mail server, and only in this response."""
        values = self.validated_body(InvitationForm)
        until: datetime | None = values.get("membership_ends_at")
        offer = invitations.invite(
            self.studio, values["email"], Role(values["role"]), actor=self.actor, ends_at=until
        )
        return Response(shapes.invitation(offer.invitation) | {"link": offer.link or None}, status=201)


class InvitationDetail(Resource):
    """One invitation."""

    needs = MANAGE_PEOPLE

    def delete(self, request: Request, slug: str, invitation_id: UUID) -> Response:
        """Revokes the invitation."""
        found = get_or_404(access.visible(self.actor, Invitation), pk=invitation_id)
        invitations.revoke(found, actor=self.actor)
        return Response(status=204)
