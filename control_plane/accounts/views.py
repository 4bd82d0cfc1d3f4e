"""Pages of accounts beside allauth's: one-time sign-in links, own sessions, and the closed sign-up."""

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from control_plane.accounts.limits import require_within
from control_plane.accounts.models import User
from control_plane.accounts.services import end_sessions, use_signin_link
from control_plane.accounts.sessions import own_sessions, seen_from

TEMPLATE = "accounts/signin_link.html"


@never_cache
@sensitive_post_parameters("token")
@require_http_methods(["GET", "HEAD", "POST"])
def signin_link(request: HttpRequest) -> HttpResponse:
    """Shows a button (GET), and signs in (POST); a link preview or a mail scanner cannot spend the link.

    A person with a second factor is still asked for it: allauth finishes the sign-in.
    """
    if request.method != "POST":
        return _page(request, token=request.GET.get("token", ""))
    require_within(request, "signin_link")
    user = use_signin_link(request.POST.get("token", ""))
    if user is None:
        return _page(request, failed=True, status=410)
    record_authentication(request, user, method="signin_link")
    response: HttpResponse = perform_login(request, user)
    return response


@require_safe
@never_cache
def signup_closed(request: HttpRequest) -> HttpResponse:
    """Says how one gets an account here."""
    return render(request, "account/signup_closed.html")


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def session_list(request: HttpRequest) -> HttpResponse:
    """Shows where the person is signed in; ends one session, or all others."""
    user = request.user
    if not isinstance(user, User):
        return redirect("account_login")
    key, seen = request.session.session_key, seen_from(request, user)
    if request.method == "POST":
        wanted = request.POST.get("end", "")
        rows = [
            row
            for row in seen
            if (row.session_key != key if "others" in request.POST else str(row.pk) == wanted)
        ]
        if end_sessions(user, rows, actor=user.actor):
            messages.success(request, "Signed out there.")
        return redirect("usersessions_list")
    return render(request, "accounts/sessions.html", {"sessions": own_sessions(seen, key)})


def _page(request: HttpRequest, *, token: str = "", failed: bool = False, status: int = 200) -> HttpResponse:
    # The site's own referrer policy (same-origin) keeps the token in the address from others. A stricter one would have
    # browsers send `Origin: null` with the form, which the CSRF check refuses.
    return render(request, TEMPLATE, {"token": token, "failed": failed or not token}, status=status)
