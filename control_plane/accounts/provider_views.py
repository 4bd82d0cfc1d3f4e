"""Sign-in through a studio's identity provider. Every failure ends on one page that does not say why."""

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
from control_plane.accounts.limits import require_attempts_left
from control_plane.accounts.openid import OpenIDAdapter
from control_plane.accounts.signin_audit import record_failure
from control_plane.common.errors import ControlPlaneError

log = logging.getLogger(__name__)

TEMPLATE = "accounts/provider_refused.html"
RESPONSE_COOKIE = "saml-response"
View = Callable[..., HttpResponse]


def refused(request: HttpRequest, reason: str = "", *, provider: str = "") -> HttpResponse:
    """Returns the page for refused sign-ins; logs the reason and writes an audit event with the provider's id."""
    log.warning("sign-in by provider refused", extra={"reason": reason, "provider": provider})
    record_failure(None, method="provider", provider=provider)
    response = render(request, TEMPLATE, status=403)
    response["Cache-Control"] = "no-store"
    return response


def hide_reasons(view: View) -> View:
    """Wraps a view so that an unknown provider is 404, and any other failure shows the same page."""

    @never_cache
    @wraps(view)
    def wrapped(request: HttpRequest, provider_id: UUID, **kwargs: Any) -> HttpResponse:
        require_attempts_left(request, "provider")
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
@hide_reasons
def openid_login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Redirects the browser to an OpenID provider."""
    view: View = OAuth2LoginView.adapter_view(_openid(request, provider_id))  # type: ignore[no-untyped-call]
    return view(request)


@require_safe
@hide_reasons
def openid_callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Handles the redirect back from an OpenID provider."""
    view: View = OAuth2CallbackView.adapter_view(_openid(request, provider_id))  # type: ignore[no-untyped-call]
    return view(request)


@require_safe
@hide_reasons
def saml_login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Redirects the browser to a SAML provider."""
    response: HttpResponse = _saml(request, provider_id).redirect_from_request(request)
    return response


@csrf_exempt
@require_POST
@hide_reasons
def saml_acs(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Stores a SAML response and redirects the browser to a page that processes it.

    The provider's page posts the response across sites, so the browser does not send our session cookie with it. Nothing
    in the response is trusted here.
    """
    name = saml.store_response(_saml(request, provider_id), request.POST.get("SAMLResponse", ""))
    place = reverse("saml_finish", args=[provider_id])
    response = HttpResponseRedirect(place)
    response.set_cookie(
        RESPONSE_COOKIE,
        name,
        path=place,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@require_safe
@hide_reasons
def saml_finish(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Signs in the person named by the stored SAML response."""
    provider = _saml(request, provider_id)
    answer = saml.pop_response(request.COOKIES.get(RESPONSE_COOKIE, ""))
    auth, question = saml.verify_response(provider, {"SAMLResponse": answer})
    login = provider.sociallogin_from_response(request, auth)
    login.state = provider.unstash_redirect_state(request, question)
    response: HttpResponse = complete_social_login(request, login)
    return response


@require_safe
@hide_reasons
def saml_metadata(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Returns our SAML metadata, which the studio gives to its provider."""
    found = saml.metadata(_saml(request, provider_id))
    return HttpResponse(found, content_type="application/samlmetadata+xml")


@require_http_methods(["GET", "HEAD"])
@never_cache
def cancelled(request: HttpRequest) -> HttpResponse:
    """Shows a person who cancelled at the provider that they are not signed in."""
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
