"""Who may change how an account is entered: only somebody who has just shown to be its owner.

allauth asks for the password or a factor again. Two cases are beyond it: a session for which a studio's identity
provider alone vouches, and an account that has neither password nor factor yet.
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
from control_plane.accounts.sessions import may_set_up, provider_of

TEMPLATE = "accounts/not_here.html"
View = Callable[..., Any]


def can_confirm(request: HttpRequest) -> bool:
    """Say whether the person can show again who they are without signing out: by a password or a factor of their own."""
    return isinstance(request.user, User) and bool(get_reauthentication_flows(request.user))


def own_signin(view: View) -> View:
    """Wraps a page that shows factors: not for a session for which a provider alone vouches."""

    @never_cache
    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if provider_of(request):
            return render(request, TEMPLATE, {"reason": "provider"}, status=403)
        return view(request, *args, **kwargs)

    return guarded


def owners_only(view: View) -> View:
    """Wraps a page on which password or factors are changed."""

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
    if not may_set_up(request):
        return render(request, TEMPLATE, {"reason": "too long ago"}, status=403)
    return None
