"""The way to a studio's identity provider and back. Whatever goes wrong ends on one plain page that says nothing more."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import complete_social_login
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from requests import RequestException

from control_plane.accounts import saml
from control_plane.accounts.limits import require_within
from control_plane.accounts.openid import OpenIDAdapter
from control_plane.accounts.record import write_failure
from control_plane.common.errors import ControlPlaneError

log = logging.getLogger(__name__)

TEMPLATE = "accounts/provider_refused.html"
ANSWER_COOKIE = "saml-answer"
View = Callable[..., HttpResponse]


def refused(request: HttpRequest, reason: str = "", *, provider: str = "") -> HttpResponse:
    """Returns the plain page; the reason goes to the log and the provider's id on record."""
    log.warning("sign-in by provider refused", extra={"reason": reason, "provider": provider})
    write_failure(None, method="provider", provider=provider)
    response = render(request, TEMPLATE, status=403)
    response["Cache-Control"] = "no-store"
    return response


def plainly(view: View) -> View:
    """Wraps a view so that an unknown provider is 404, and everything else that fails the one plain page."""

    @never_cache
    @wraps(view)
    def wrapped(request: HttpRequest, provider_id: UUID, **kwargs: Any) -> HttpResponse:
        require_within(request, "provider")
        try:
            return view(request, str(provider_id), **kwargs)
        except SocialApp.DoesNotExist as error:
            raise Http404 from error
        except ImmediateHttpResponse as error:
            response: HttpResponse = error.response
            return response
        except (
            saml.AssertionRefused,
            OAuth2Error,
            PermissionDenied,
            RequestException,
            ControlPlaneError,
            ValueError,
            LookupError,
        ) as error:
            return refused(request, str(error) or type(error).__name__, provider=str(provider_id))

    return wrapped


@require_safe
@plainly
def openid_login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Sends the browser to an OpenID provider."""
    view: View = OAuth2LoginView.adapter_view(_openid(request, provider_id))  # type: ignore[no-untyped-call]
    return view(request)


@require_safe
@plainly
def openid_callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Takes the browser back from an OpenID provider."""
    view: View = OAuth2CallbackView.adapter_view(_openid(request, provider_id))  # type: ignore[no-untyped-call]
    return view(request)


@require_safe
@plainly
def saml_login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Sends the browser to a SAML provider."""
    response: HttpResponse = _saml(request, provider_id).redirect_from_request(request)
    return response


@csrf_exempt
@require_POST
@plainly
def saml_answer(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Takes a SAML answer in, and has the browser ask for its result.

    The answer comes from the provider's page, so our session's cookie does not come with it. Nothing is believed here.
    """
    name = saml.keep_answer(_saml(request, provider_id), request.POST.get("SAMLResponse", ""))
    place = reverse("saml_finish", args=[provider_id])
    response = HttpResponseRedirect(place)
    response.set_cookie(
        ANSWER_COOKIE,
        name,
        path=place,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@require_safe
@plainly
def saml_finish(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Signs in whom a SAML provider's answer names."""
    provider = _saml(request, provider_id)
    answer = saml.kept_answer(request.COOKIES.get(ANSWER_COOKIE, ""))
    auth, question = saml.verified(provider, {"SAMLResponse": answer})
    login = provider.sociallogin_from_response(request, auth)
    login.state = provider.unstash_redirect_state(request, question)
    response: HttpResponse = complete_social_login(request, login)
    return response


@require_safe
@plainly
def saml_metadata(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Returns what the studio gives to its SAML provider."""
    found = saml.metadata(_saml(request, provider_id))
    return HttpResponse(found, content_type="application/samlmetadata+xml")


@require_http_methods(["GET", "HEAD"])
@never_cache
def cancelled(request: HttpRequest) -> HttpResponse:
    """Tells a person who cancelled at the provider that they are not signed in."""
    return render(request, TEMPLATE, {"cancelled": True})


def _openid(request: HttpRequest, provider_id: str) -> OpenIDAdapter:
    provider = get_adapter().get_provider(request, provider_id)
    if provider.id != "openid_connect":
        raise SocialApp.DoesNotExist
    return OpenIDAdapter(request, provider_id)


def _saml(request: HttpRequest, provider_id: str) -> saml.SamlProvider:
    provider = get_adapter().get_provider(request, provider_id)
    if not isinstance(provider, saml.SamlProvider):
        raise SocialApp.DoesNotExist
    return provider
