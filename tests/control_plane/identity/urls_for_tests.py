"""Views of a studio, as small as they can be, for the tests of the middleware."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import include, path

from control_plane.access.requests import StudioRequest
from control_plane.common.errors import BadRequest, Forbidden, TooManyRequests
from control_plane.common.scoping import current_scope
from control_plane.config.urls import urlpatterns as ours
from control_plane.tenancy.models import Room


def rooms(request: StudioRequest, slug: str) -> JsonResponse:
    return JsonResponse(
        {
            "studio": str(request.studio.id),
            "role": request.membership.role if request.membership else "",
            "actor": str(request.actor),
            "rooms": list(Room.objects.values_list("name", flat=True)),
        }
    )


def late(request: HttpRequest, slug: str) -> TemplateResponse:
    return TemplateResponse(request, "base_for_tests.html", {"rooms": Room.objects.all()})


def broken(request: HttpRequest, slug: str) -> HttpResponse:
    Room.objects.update(name="half done")
    raise {
        "forbidden": Forbidden("not yours"),
        "bad": BadRequest("name: too long"),
        "slow": TooManyRequests(retry_after_s=7),
    }[request.GET["how"]]


def crash(request: HttpRequest, slug: str) -> HttpResponse:
    Room.objects.update(name="half done")
    raise RuntimeError("boom")


def nowhere(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"scope": str(current_scope().studio_id)})


def admin_rooms(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"scope": str(current_scope().studio_id)})


urlpatterns = [
    path("studio/<slug:slug>/rooms/", rooms),
    path("studio/<slug:slug>/late/", late),
    path("studio/<slug:slug>/broken/", broken),
    path("studio/<slug:slug>/crash/", crash),
    path("nowhere/", nowhere),
    path("admin/which/", admin_rooms),
    path("", include(ours)),
]
