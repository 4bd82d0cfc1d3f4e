"""The page behind a one-time sign-in link: looking at it changes nothing, its button signs in."""

from allauth.account.utils import perform_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from control_plane.accounts.services import use_signin_link

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
    user = use_signin_link(request.POST.get("token", ""))
    if user is None:
        return _page(request, failed=True, status=410)
    response: HttpResponse = perform_login(request, user)
    return response


def _page(request: HttpRequest, *, token: str = "", failed: bool = False, status: int = 200) -> HttpResponse:
    # The site's own referrer policy (same-origin) keeps the token in the address from others. A stricter one would have
    # browsers send `Origin: null` with the form, which the CSRF check refuses.
    return render(request, TEMPLATE, {"token": token, "failed": failed or not token}, status=status)
