"""The home page: redirects to the person's only studio, or lists their studios."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from control_plane.access.requests import StudioRequest
from control_plane.common.errors import NotFound
from control_plane.identity.middleware import ADMIN_STUDIO
from control_plane.identity.signin_rules import reachable
from control_plane.portal.page import actor_of
from control_plane.tenancy.selectors import admin_memberships, own_memberships


@require_safe
@never_cache
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Redirects to the person's only studio; with several, or with `?all`, lists them."""
    memberships = reachable(request, own_memberships(_user_id(request)))
    if len(memberships) == 1 and "all" not in request.GET:
        return redirect("portal:classes", slug=memberships[0].studio.slug)
    return render(request, "portal/home/home.html", {"memberships": memberships})


@require_safe
@never_cache
@login_required
def studios_menu(request: HttpRequest) -> HttpResponse:
    """Returns the list of the studio switcher."""
    memberships = reachable(request, own_memberships(_user_id(request)))
    context = {"memberships": memberships, "here": request.GET.get("now", "")}
    return render(request, "portal/parts/studios_menu.html", context)


@require_safe
@never_cache
def studio(request: StudioRequest, slug: str) -> HttpResponse:
    """Redirects to the classes of a studio: the address that people shorten a longer one to."""
    return redirect("portal:classes", slug=slug)


@require_POST
@login_required
def administer(request: HttpRequest) -> HttpResponse:
    """Opens the admin site for one of the studios that the person administers."""
    asked = request.POST.get("studio", "")
    mine = reachable(request, admin_memberships(_user_id(request)))
    chosen = next((item for item in mine if item.studio.slug == asked), None)
    if chosen is None:
        raise NotFound
    request.session[ADMIN_STUDIO] = str(chosen.studio_id)
    return redirect(reverse("admin:index"))


def _user_id(request: HttpRequest) -> UUID:
    user_id = actor_of(request).id
    if user_id is None:
        raise NotFound
    return user_id
