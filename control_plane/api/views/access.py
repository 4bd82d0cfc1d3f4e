"""Access: the role table, grants and denials on single objects, and the people with access, with the reasons."""

from typing import Any
from uuid import UUID

from django.db.models import Model
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.access import access, services
from control_plane.access.audit_events import ACCESS_READ, PEOPLE_LISTED
from control_plane.access.models import Effect, ObjectPermission, RolePermissions
from control_plane.access.permissions import MANAGE_POLICY
from control_plane.access.reads import note_read
from control_plane.access.roles import DEFAULTS
from control_plane.accounts.models import User
from control_plane.api import shapes
from control_plane.api.resource import PAGE_PARAMETERS, Resource, get_or_404, validated
from control_plane.common.errors import BadRequest, NotFound
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.recordings.models import ClassSession
from control_plane.tenancy.models import Room
from control_plane.tenancy.permissions import MANAGE_PEOPLE

THINGS: dict[str, type[Model]] = {"class": ClassSession, "room": Room}
"""Kinds of objects, besides `studio`: the studio as a whole."""
_PEOPLES = [action for action in StudioPermission.all() if action in DEFAULTS[Role.ADMIN]]


class RoleForm(serializers.Serializer[Any]):
    """The permissions of a role."""

    actions = serializers.ListField(child=serializers.ChoiceField(choices=_PEOPLES), max_length=len(_PEOPLES))


class RoleTable(Resource):
    """The role table."""

    needs = MANAGE_POLICY

    def get(self, request: Request, slug: str) -> Response:
        """Returns every role with its permissions, and every permission with its meaning."""
        chosen = dict(RolePermissions.objects.values_list("role", "actions"))
        roles = [shapes.role(role, chosen.get(role.value)) for role in Role]
        return Response({"roles": roles, "actions": [shapes.action(action) for action in _PEOPLES]})


class RoleRow(Resource):
    """One role."""

    needs = MANAGE_POLICY

    def put(self, request: Request, slug: str, role: str) -> Response:
        """Replaces the permissions of a role."""
        name, wanted = _role(role), self.validated_body(RoleForm)["actions"]
        now = services.set_role_actions(
            self.studio, name, [StudioPermission.named(action) for action in wanted], actor=self.actor
        )
        return Response(shapes.role(name, shapes.actions(now)))

    def delete(self, request: Request, slug: str, role: str) -> Response:
        """Resets the role to its default permissions."""
        services.reset_role(self.studio, _role(role), actor=self.actor)
        return Response(shapes.role(_role(role), None))


class GrantForm(serializers.Serializer[Any]):
    """A new grant or denial: person, permission, object, end and reason."""

    user_id = serializers.UUIDField()
    effect = serializers.ChoiceField(choices=Effect.choices, default=Effect.ALLOW)
    action = serializers.ChoiceField(choices=_PEOPLES)
    thing = serializers.ChoiceField(choices=["studio", *THINGS])
    thing_id = serializers.UUIDField(required=False)
    until = serializers.DateTimeField(allow_null=True, required=False)
    reason = serializers.CharField(allow_blank=True, default="")


class Rights(Resource):
    """Grants and denials on single objects."""

    needs = MANAGE_PEOPLE

    def get(self, request: Request, slug: str) -> Response:
        """Lists them, newest first; `?user_id=` filters by person."""
        found = access.visible(self.actor, ObjectPermission).select_related("permission", "content_type")
        if "user_id" in request.query_params:
            found = found.filter(user_id=_uuid(request, "user_id"))
        note_read(PEOPLE_LISTED, self.studio, actor=self.actor)
        return self.page(found.order_by("-given_at", "pk"), shapes.grant)

    def post(self, request: Request, slug: str) -> Response:
        """Creates a grant or a denial."""
        values = self.validated_body(GrantForm)
        person = get_or_404(access.visible(self.actor, User), pk=values["user_id"])
        put = services.grant_permission if values["effect"] == Effect.ALLOW else services.deny_permission
        row = put(
            person,
            StudioPermission.named(values["action"]),
            self.thing(values["thing"], values.get("thing_id")),
            actor=self.actor,
            until=values.get("until"),
            reason=values["reason"],
        )
        return Response(shapes.grant(row), status=201)

    def thing(self, name: str, thing_id: UUID | None) -> Model:
        """Returns the object of that kind and id.

        Raises:
            BadRequest: the id is missing. NotFound: no such object is visible to the actor.
        """
        if name == "studio":
            return self.studio
        if thing_id is None:
            raise BadRequest(f"thing_id: the id of the {name} is required.")
        return get_or_404(access.visible(self.actor, THINGS[name]), pk=thing_id)


class Right(Resource):
    """One grant or denial."""

    needs = MANAGE_PEOPLE

    def delete(self, request: Request, slug: str, grant_id: UUID) -> Response:
        """Revokes it."""
        services.revoke_grant(
            get_or_404(access.visible(self.actor, ObjectPermission), pk=grant_id), actor=self.actor
        )
        return Response(status=204)


class AccessQueryForm(serializers.Serializer[Any]):
    """The object and the permission of a query."""

    thing = serializers.ChoiceField(choices=["studio", *THINGS])
    thing_id = serializers.UUIDField(required=False)
    action = serializers.ChoiceField(choices=_PEOPLES)


class WhoCan(Rights):
    """The people who hold a permission on an object."""

    http_method_names = ["get", "head", "options"]  # as Django's own

    def get(self, request: Request, slug: str) -> Response:
        """Lists all people related to the studio, each with the decision and its reason; the last page is empty."""
        limit, offset = self.page_bounds()
        given = {name: value for name, value in request.query_params.items() if name not in PAGE_PARAMETERS}
        asked = validated(AccessQueryForm, given)
        thing = self.thing(asked["thing"], asked.get("thing_id"))
        note_read(ACCESS_READ, thing, actor=self.actor)
        people = [
            {"user_id": str(user.id), "name": user.display_name, "email": user.email}
            | shapes.decision(answer)
            for user, answer in access.who_can(
                StudioPermission.named(asked["action"]), thing, after=offset, most=limit
            )
        ]
        return Response({"offset": offset, "items": people})


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError as error:
        raise NotFound from error


def _uuid(request: Request, name: str) -> UUID:
    try:
        return UUID(request.query_params[name])
    except ValueError as error:
        raise BadRequest(f"{name}: must be an id.") from error
