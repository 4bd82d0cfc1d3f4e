"""Keys: the generations of the studio's encryption keys, and API keys."""

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.access import access
from control_plane.access.models import ApiKey
from control_plane.access.permissions import USE_API
from control_plane.access.services.api_keys import keys_of, make_api_key, revoke_api_key
from control_plane.api import shapes
from control_plane.api.resource import Resource, get_or_404
from control_plane.common.permissions import StudioPermission
from control_plane.keys import services
from control_plane.keys.models import StudioKey
from control_plane.tenancy.permissions import MANAGE_STUDIO


class StudioKeys(Resource):
    """The generations of the studio's keys."""

    needs = MANAGE_STUDIO

    def get(self, request: Request, slug: str) -> Response:
        """Lists them, newest first, without key material."""
        return self.page(access.visible(self.actor, StudioKey).order_by("-created_at"), shapes.studio_key)

    def post(self, request: Request, slug: str) -> Response:
        """Creates a new generation; agents seal to it as soon as they receive it."""
        return Response(
            shapes.studio_key(services.rotate_studio_key(self.studio, actor=self.actor)), status=201
        )


class ApiKeyForm(serializers.Serializer[Any]):
    """Fields of a new API key."""

    name = serializers.CharField(max_length=80)
    actions = serializers.ListField(
        child=serializers.ChoiceField(choices=list(StudioPermission.all())),
        max_length=len(StudioPermission.all()),
    )
    expires_at = serializers.DateTimeField()


class ApiKeys(Resource):
    """API keys: the actor's own; managers of the studio see all.

    A key sees itself only, unless it includes *Manage the studio*.
    """

    needs = USE_API

    def get(self, request: Request, slug: str) -> Response:
        """Lists them, newest first."""
        found = keys_of(self.actor, self.studio).order_by("-created_at", "pk")
        return self.page(found, shapes.api_key)

    def post(self, request: Request, slug: str) -> Response:
        """Creates a key; only this response contains its secret. An API key cannot create another."""
        values = self.validated_body(ApiKeyForm)
        key, secret = make_api_key(
            self.studio,
            name=values["name"],
            actions=[StudioPermission.named(action) for action in values["actions"]],
            expires_at=values["expires_at"],
            actor=self.actor,
        )
        return Response(shapes.api_key(key) | {"secret": secret}, status=201)


class ApiKeyDetail(Resource):
    """One API key."""

    needs = USE_API

    def delete(self, request: Request, slug: str, key_id: UUID) -> Response:
        """Revokes the key at once."""
        revoke_api_key(get_or_404(ApiKey.objects.all(), pk=key_id), actor=self.actor)
        return Response(status=204)
