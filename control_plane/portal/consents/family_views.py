"""The pages on which families answer: behind the link of a mail, and in the portal. A GET changes nothing."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from control_plane.access.requests import StudioRequest
from control_plane.accounts.limits import require_attempts_left
from control_plane.accounts.models import User
from control_plane.common.errors import BadRequest, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.people.consent_models import ConsentPurpose, ConsentRequest
from control_plane.people.consent_requests import answer_by_link, answer_in_portal, request_of
from control_plane.people.consent_services import withdraw
from control_plane.people.models import Dancer
from control_plane.portal.consents.presenter import children_of, question_of
from control_plane.portal.page import actor_of, studio_page
from control_plane.tenancy.selectors import studio_name_of

READ_WRITE = ("GET", "HEAD", "POST")
TEMPLATE = "portal/consents/answer.html"


@never_cache
@sensitive_post_parameters("token", "signed_by")
@require_http_methods(READ_WRITE)
def consent_page(request: HttpRequest) -> HttpResponse:
    """Shows a request for consent (GET) and records its answer (POST). Unknown, expired and revoked links look the same."""
    require_attempts_left(request, "consent")
    token = request.POST.get("token", "") if request.method == "POST" else request.GET.get("token", "")
    error = ""
    if request.method == "POST":
        try:
            return _answered(request, token)
        except BadRequest as refused:
            error = refused.detail
        except (Forbidden, NotFound):
            return _gone(request)
    found = request_of(token)
    if found is None:
        return _gone(request)
    return _question(request, token, found, error=error)


@require_http_methods(READ_WRITE)
def children(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows a person the dancers for whom they answer, with what they allow, and records answers and withdrawals."""
    actor_of(request)
    user = request.user
    if not isinstance(user, User):
        raise NotFound
    if request.method == "POST":
        _changed(request, user)
        return redirect("portal:children", slug)
    context = {"section": "children", "children": children_of(user, request.studio.name)}
    return studio_page(request, "portal/consents/children.html", context)


def _changed(request: StudioRequest, user: User) -> None:
    if "request" in request.POST:
        found = ConsentRequest.objects.filter(pk=_id(request.POST["request"]), user=user).first()
        if found is None:
            raise NotFound
        answer_in_portal(found, request.POST.getlist("purpose"), user=user)
        messages.success(request, _("Thank you. Your answer is saved, and holds from now on."))
        return
    dancer = Dancer.objects.filter(pk=_id(request.POST.get("dancer", ""))).first()
    if dancer is None:
        raise NotFound
    try:
        purpose = ConsentPurpose(request.POST.get("withdraw", ""))
    except ValueError as error:
        raise BadRequest("withdraw: choose a purpose.") from error
    withdraw(dancer, purpose, user=user)
    messages.success(request, _("Withdrawn. It stops at once."))


def _answered(request: HttpRequest, token: str) -> HttpResponse:
    granted = request.POST.getlist("purpose")
    found = answer_by_link(token, granted, signed_by=request.POST.get("signed_by", "")[:120])
    return _question(request, token, found, is_saved=True)


def _question(
    request: HttpRequest, token: str, found: ConsentRequest, *, error: str = "", is_saved: bool = False
) -> HttpResponse:
    studio_name = studio_name_of(found.studio_id)
    with studio_scope(found.studio_id):
        question = question_of(found, studio_name)
        context = {
            "question": question,
            "token": token,
            "error": error,
            "is_saved": is_saved,
            "was_answered": found.answered_at is not None,
        }
        return render(request, TEMPLATE, context, status=400 if error else 200)


def _gone(request: HttpRequest) -> HttpResponse:
    return render(request, TEMPLATE, {"failed": True}, status=410)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound from error
