"""Protects pages that change credentials: the person must have confirmed their identity recently.

allauth asks for the password or a factor again. It does not cover sessions that only a studio's identity provider
vouches for, nor accounts that have neither password nor factor yet.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from control_plane.accounts.models import User
from control_plane.accounts.sessions import may_set_first_credential, provider_of

TEMPLATE = "accounts/not_here.html"
View = Callable[..., Any]


def can_confirm(request: HttpRequest) -> bool:
    """Returns whether the person can confirm their identity with a password or factor, without signing out."""
    return isinstance(request.user, User) and bool(get_reauthentication_flows(request.user))


def require_own_signin(view: View) -> View:
    """Wraps a page that shows factors; refuses sessions that only an identity provider vouches for."""

    @never_cache
    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if provider_of(request):
            return render(request, TEMPLATE, {"reason": "provider"}, status=403)
        return view(request, *args, **kwargs)

    return guarded


def require_owner(view: View) -> View:
    """Wraps a page that changes the password or factors."""

    @never_cache
    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        refused = _refused(request)
        return refused if refused is not None else view(request, *args, **kwargs)

    return guarded


def _refused(request: HttpRequest) -> HttpResponse | None:
    if provider_of(request):
        return render(request, TEMPLATE, {"reason": "provider"}, status=403)
    if can_confirm(request):
        return None
    if not may_set_first_credential(request):
        return render(request, TEMPLATE, {"reason": "too long ago"}, status=403)
    return None
