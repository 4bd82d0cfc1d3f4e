"""Base classes of all resources: the studio and actor of a request, validated input, pagination."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from control_plane.access import access
from control_plane.access.permissions import USE_API
from control_plane.access.requests import StudioRequest
from control_plane.api.authentication import KeyOrSession
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, NotFound
from control_plane.common.permissions import StudioPermission
from control_plane.tenancy.models import Studio
from control_plane.tenancy.permissions import VIEW_STUDIO

T = TypeVar("T")
PAGE, LONGEST_PAGE = 50, 200
PAGE_PARAMETERS = ("limit", "offset")


class ApiView(APIView):
    """Base of every API view: the actor, and no caching of responses."""

    authentication_classes = (KeyOrSession,)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Forbids caching of the response."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer["Cache-Control"] = "no-store"
        return answer


class Resource(ApiView):
    """Base of the resources of a studio. The middleware has opened the studio and identified the actor."""

    needs: StudioPermission = VIEW_STUDIO
    """The permission that every method requires; services require more where needed."""

    @property
    def studio_request(self) -> StudioRequest:
        """The request inside the studio's scope."""
        return cast("StudioRequest", self.request._request)

    @property
    def studio(self) -> Studio:
        """The studio in the URL."""
        return self.studio_request.studio

    @property
    def actor(self) -> Actor:
        """The authenticated actor."""
        return self.studio_request.actor

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Requires the permission `needs` before any method.

        Raises:
            NotFound, Forbidden: the actor may not use this resource.
        """
        super().initial(request, *args, **kwargs)
        if self.actor.scopes is not None:
            access.require(self.actor, USE_API, self.studio)
        access.require(self.actor, self.needs, self.studio)

    def validated_body(
        self, form: type[serializers.Serializer[Any]], *, partial: bool = False
    ) -> dict[str, Any]:
        """Returns the validated body.

        Raises:
            BadRequest: it is not an object, a field is unknown, or a value is invalid; names the field.
        """
        return validated(form, self.request.data, partial=partial)

    def page_bounds(self) -> tuple[int, int]:
        """Returns `limit` and `offset` of the requested page.

        Raises:
            BadRequest: one of them is not a number.
        """
        limit = min(_number(self.request, "limit", PAGE), LONGEST_PAGE)
        return limit, _number(self.request, "offset", 0)

    def page(self, found: QuerySet[Any], shape: Callable[[Any], dict[str, Any]]) -> Response:
        """Returns one page with the total count: `?limit=` rows (at most 200), starting at `?offset=`."""
        limit, offset = self.page_bounds()
        items = [shape(row) for row in found[offset : offset + limit]]
        return Response({"count": found.count(), "offset": offset, "items": items})


def validated(form: type[serializers.Serializer[Any]], data: Any, *, partial: bool = False) -> dict[str, Any]:
    """Returns the validated fields of `data`.

    Raises:
        BadRequest: see `Resource.validated_body`.
    """
    if not isinstance(data, dict):
        raise BadRequest("The body must be a JSON object.")
    read = form(data=data, partial=partial)
    unknown = sorted(set(data) - set(read.fields))
    if unknown:
        raise BadRequest(f"{', '.join(str(name)[:40] for name in unknown[:5])}: unknown field.")
    if not read.is_valid():
        raise BadRequest("; ".join(f"{name}: {_first(text)}" for name, text in read.errors.items()))
    return dict(read.validated_data)


def get_or_404(found: QuerySet[T], **where: Any) -> T:  # type: ignore[type-var]
    """Returns the one matching row.

    Raises:
        NotFound: none is visible to the actor.
    """
    row = found.filter(**where).first()
    if row is None:
        raise NotFound
    return row


def list_response(items: Iterable[dict[str, Any]]) -> Response:
    """Returns a response with a complete list, for lists that are always short."""
    found = list(items)
    return Response({"count": len(found), "offset": 0, "items": found})


def _number(request: Request, name: str, otherwise: int) -> int:
    text = request.query_params.get(name, str(otherwise))
    if not text.isdecimal() or len(text) > 9:
        raise BadRequest(f"{name}: must be a whole number, 0 or more.")
    return int(text)


def _first(errors: Any) -> str:
    while isinstance(errors, list | dict) and errors:
        errors = next(iter(errors.values())) if isinstance(errors, dict) else errors[0]
    return str(errors)
