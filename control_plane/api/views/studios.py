"""Studios: those of the actor, their settings, and their sign-in policy."""

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.access import access
from control_plane.access.permissions import USE_API
from control_plane.access.services.api_keys import actor_of
from control_plane.administration import services as administration_services
from control_plane.api import shapes
from control_plane.api.resource import ApiView, Resource, list_response
from control_plane.common.scoping import studio_scope
from control_plane.identity import services as identity_services
from control_plane.identity.models import SigninPolicy
from control_plane.identity.signin_rules import reachable
from control_plane.tenancy.permissions import MANAGE_STUDIO
from control_plane.tenancy.selectors import own_memberships


class Studios(ApiView):
    """The studios of the actor; for an API key, only its own."""

    def get(self, request: Request) -> Response:
        """Lists them, each with the actor's role."""
        key = getattr(request._request, "api_key", None)
        found = own_memberships(UUID(str(request.user.pk)))
        if key is None:
            found = reachable(request._request, found)
        else:
            found = [item for item in found if item.studio_id == key.studio_id]
            for item in found:
                with studio_scope(key.studio_id):
                    access.require(actor_of(key), USE_API, item.studio)
        return list_response(shapes.studio(item.studio) | {"role": item.role} for item in found)


class StudioForm(serializers.Serializer[Any]):
    """Writable fields of a studio."""

    name = serializers.CharField(max_length=120)
    time_zone = serializers.CharField(max_length=64)
    accent = serializers.RegexField(r"^#[0-9a-f]{6}$")


class StudioDetail(Resource):
    """One studio."""

    def get(self, request: Request, slug: str) -> Response:
        """Returns the studio."""
        return Response(shapes.studio(self.studio))

    def patch(self, request: Request, slug: str) -> Response:
        """Changes name, time zone or accent."""
        values = self.validated_body(StudioForm, partial=True)
        return Response(
            shapes.studio(administration_services.change_studio(self.studio, actor=self.actor, **values))
        )


class SigninForm(serializers.Serializer[Any]):
    """Writable fields of the sign-in policy."""

    admins_need_second_factor = serializers.BooleanField()
    provider_only = serializers.BooleanField()
    session_hours = serializers.IntegerField(allow_null=True)
    idle_minutes = serializers.IntegerField(allow_null=True)


class SigninRules(Resource):
    """The sign-in policy of the studio."""

    needs = MANAGE_STUDIO

    def get(self, request: Request, slug: str) -> Response:
        """Returns the policy."""
        return Response(shapes.signin_policy(SigninPolicy.objects.first()))

    def patch(self, request: Request, slug: str) -> Response:
        """Changes some of them."""
        values = self.validated_body(SigninForm, partial=True)
        changed = identity_services.change_signin_policy(self.studio, actor=self.actor, **values)
        return Response(shapes.signin_policy(changed))
