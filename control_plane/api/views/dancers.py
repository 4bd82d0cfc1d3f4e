"""Dancers and their guardians."""

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from control_plane.access import access
from control_plane.access.reads import note_read
from control_plane.accounts.models import User
from control_plane.api import shapes
from control_plane.api.resource import Resource, get_or_404
from control_plane.people import services
from control_plane.people.audit_events import DANCER_OPENED, DANCERS_LISTED
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Guardianship, Relation
from control_plane.people.permissions import MANAGE_DANCERS, VIEW_DANCERS
from control_plane.tenancy.models import Membership


class DancerForm(serializers.Serializer[Any]):
    """Fields of a dancer."""

    name = serializers.CharField(max_length=120)
    birth_date = serializers.DateField(allow_null=True, required=False)
    birth_year = serializers.IntegerField(allow_null=True, required=False)
    protected = serializers.BooleanField(default=False)
    note = serializers.CharField(max_length=1000, allow_blank=True, default="")


class Dancers(Resource):
    """All dancers."""

    needs = VIEW_DANCERS

    def get(self, request: Request, slug: str) -> Response:
        """Lists the current dancers by name; `?left=1` lists those who left."""
        here = request.query_params.get("left", "") != "1"
        found = access.visible(self.actor, Dancer).filter(left_at__isnull=here)
        note_read(DANCERS_LISTED, self.studio, actor=self.actor)
        return self.page(found.order_by("name", "pk"), shapes.dancer)

    def post(self, request: Request, slug: str) -> Response:
        """Adds a dancer."""
        row = services.add_dancer(self.studio, NewDancer(**self.validated_body(DancerForm)), actor=self.actor)
        return Response(shapes.dancer(row), status=201)


class DancerDetail(Resource):
    """One dancer."""

    needs = VIEW_DANCERS

    def get(self, request: Request, slug: str, dancer_id: UUID) -> Response:
        """Returns the dancer; with the guardians if the actor may manage dancers."""
        row = self._found(dancer_id)
        note_read(DANCER_OPENED, row, actor=self.actor)
        if not access.can(self.actor, MANAGE_DANCERS, row):
            return Response(shapes.dancer(row))
        guardians = access.visible(self.actor, Guardianship).filter(dancer=row).order_by("started_at", "pk")
        return Response(shapes.dancer(row) | {"guardianships": [shapes.guardianship(g) for g in guardians]})

    def patch(self, request: Request, slug: str, dancer_id: UUID) -> Response:
        """Changes some fields of the dancer."""
        values = self.validated_body(DancerForm, partial=True)
        return Response(
            shapes.dancer(services.change_dancer(self._found(dancer_id), actor=self.actor, **values))
        )

    def _found(self, dancer_id: UUID) -> Dancer:
        return get_or_404(access.visible(self.actor, Dancer), pk=dancer_id)


class GuardianForm(serializers.Serializer[Any]):
    """The guardian and the relation to the dancer."""

    user_id = serializers.UUIDField()
    relation = serializers.ChoiceField(choices=Relation.choices, default=Relation.PARENT)


class Guardianships(Resource):
    """The guardianships of one dancer."""

    needs = MANAGE_DANCERS

    def post(self, request: Request, slug: str, dancer_id: UUID) -> Response:
        """Makes a member a guardian of the dancer."""
        values = self.validated_body(GuardianForm)
        row = services.start_guardianship(
            get_or_404(access.visible(self.actor, Dancer), pk=dancer_id),
            get_or_404(
                User.objects.filter(pk__in=Membership.objects.values("user_id")), pk=values["user_id"]
            ),
            Relation(values["relation"]),
            actor=self.actor,
        )
        return Response(shapes.guardianship(row), status=201)


class GuardianshipDetail(Resource):
    """One guardianship."""

    needs = MANAGE_DANCERS

    def delete(self, request: Request, slug: str, guardianship_id: UUID) -> Response:
        """Ends it."""
        row = get_or_404(access.visible(self.actor, Guardianship), pk=guardianship_id)
        services.end_guardianship(row, actor=self.actor)
        return Response(status=204)
