"""Account pages in addition to allauth's: one-time sign-in links, first sign-in, name and sessions, closed sign-up."""

from allauth.account import views as account
from allauth.account.internal.flows import password_change
from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from control_plane.accounts.forms import NameForm, WelcomeForm
from control_plane.accounts.limits import require_attempts_left
from control_plane.accounts.models import User
from control_plane.accounts.reauthentication import can_confirm, require_own_signin, require_owner
from control_plane.accounts.services import end_sessions, lacks_own_signin, rename_user, use_signin_link
from control_plane.accounts.sessions import own_sessions, visible_sessions
from control_plane.common import mail

TEMPLATE = "accounts/signin_link.html"


@never_cache
@sensitive_post_parameters("token")
@require_http_methods(["GET", "HEAD", "POST"])
def signin_link(request: HttpRequest) -> HttpResponse:
    """Shows a button (GET) and signs in (POST), so that link previews and mail scanners do not use up the link.

    A person with a second factor is still asked for it, because allauth completes the sign-in.
    """
    if request.method != "POST":
        return _page(request, token=request.GET.get("token", ""))
    require_attempts_left(request, "signin_link")
    with transaction.atomic():
        user = use_signin_link(request.POST.get("token", ""))
        if user is None:
            return _page(request, failed=True, status=410)
        record_authentication(request, user, method="signin_link")
        response: HttpResponse = perform_login(request, user, redirect_url=first_page(user))
        # Save before the account's lock is released: a transaction that ends its sessions next must find this one.
        request.session.save()
    return response


def first_page(user: User) -> str | None:
    """Returns the page to set up a credential if a sign-in by link should lead there; else None, the default page."""
    return reverse("account_welcome") if lacks_own_signin(user) else None


@never_cache
@sensitive_post_parameters("password1", "password2")
@require_http_methods(["GET", "HEAD", "POST"])
@require_owner
def welcome(request: HttpRequest) -> HttpResponse:
    """Asks a person who signed in by link for a name, and for a password or a passkey. All are optional."""
    user = request.user
    if not isinstance(user, User) or not lacks_own_signin(user):
        return redirect("portal:home")
    if can_confirm(request):
        # allauth's page first asks for an authenticator app or security key that is only a second step.
        return redirect("account_set_password")
    form = WelcomeForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        rename_user(user, form.cleaned_data["display_name"], actor=user.actor)
        if form.cleaned_data["password1"]:
            password_change.change_password(user, form.cleaned_data["password1"])
            password_change.finalize_password_set(request, user)
        return redirect("mfa_add_webauthn" if "passkey" in request.POST else "portal:home")
    context = {"form": form, "cannot_return": False}
    return render(request, "accounts/welcome.html", context, status=422 if form.errors else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@require_own_signin
def profile(request: HttpRequest) -> HttpResponse:
    """Shows the person's own account and changes the name that others see."""
    user = request.user
    if not isinstance(user, User):
        return redirect("account_login")
    form = NameForm(request.POST or None, initial={"display_name": user.display_name})
    if request.method == "POST" and form.is_valid():
        rename_user(user, form.cleaned_data["display_name"], actor=user.actor)
        messages.success(request, "Saved.")
        return redirect("account_profile")
    context = {"form": form, "lacks_own_signin": lacks_own_signin(user)}
    return render(request, "accounts/profile.html", context, status=422 if form.errors else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST", "PUT"])
def password_reset(request: HttpRequest) -> HttpResponseBase:
    """Mails a link to set a new password; without a mail server, explains who can help."""
    if mail.has_server():
        return account.password_reset(request)
    return render(request, "accounts/no_reset.html")


@require_safe
@never_cache
def signup_closed(request: HttpRequest) -> HttpResponse:
    """Explains how to get an account."""
    return render(request, "account/signup_closed.html")


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def session_list(request: HttpRequest) -> HttpResponse:
    """Lists the person's sessions; ends one of them, or all others."""
    user = request.user
    if not isinstance(user, User):
        return redirect("account_login")
    key, seen = request.session.session_key, visible_sessions(request, user)
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
    # The site's referrer policy (same-origin) hides the token in the URL from other sites. A stricter policy would make
    # browsers send `Origin: null` with the form, which the CSRF check refuses.
    return render(request, TEMPLATE, {"token": token, "failed": failed or not token}, status=status)
