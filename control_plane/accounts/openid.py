"""Signing in through an OpenID provider: code flow with PKCE, state, nonce, and a signature that is always checked."""

import secrets
from collections.abc import Mapping
from typing import Any

from allauth.socialaccount.internal import statekit
from allauth.socialaccount.models import SocialApp, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from control_plane.accounts.id_token import TokenRefused, verified_claims
from control_plane.accounts.outbound import GuardedSession, require_safe

ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
NONCE_KEY = "openid_nonce"
"""Session key: the nonce of the sign-in under way with each provider."""


class OpenIDAdapter(OpenIDConnectOAuth2Adapter):
    """Reads the provider's own description, and takes nothing from it that is not its own or not signed."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """The provider's description (OpenID Connect Discovery 1.0, section 4.3).

        Raises:
            OAuth2Error: it speaks of another issuer, or of addresses that we do not call.
        """
        if not hasattr(self, "_description"):
            self._description = self._described()
        return self._description

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """Returns our own address, whatever host the request names."""
        path = reverse("openid_connect_callback", kwargs={"provider_id": self.provider_id})
        return f"{settings.PUBLIC_URL}{path}"

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> Any:
        """Returns who the provider says it is.

        Raises:
            OAuth2Error: the token, or what the provider says beside it, is refused.
        """
        nonces = request.session.get(NONCE_KEY, {})
        nonce = nonces.pop(self.provider_id, "")
        request.session[NONCE_KEY] = nonces
        description = self.openid_config
        try:
            claims = verified_claims(
                str(kwargs["response"].get("id_token", "")),
                self._json(description["jwks_uri"]),
                issuer=description["issuer"],
                audience=app.client_id,
                nonce=nonce,
            )
        except TokenRefused as error:
            raise OAuth2Error(str(error)) from error
        if description.get("userinfo_endpoint"):
            more = self._json(description["userinfo_endpoint"], token=token.token)
            if more.get("sub") != claims["sub"]:
                raise OAuth2Error("the provider speaks of two different people")
            claims = more | claims
        # A boolean (OpenID Connect Core 1.0, section 5.1). The library also takes words such as "true" for it, which a
        # provider may have passed through from a form of its own.
        claims = dict(claims) | {"email_verified": claims.get("email_verified") is True}
        provider = self.get_provider()  # type: ignore[no-untyped-call]
        return provider.sociallogin_from_response(request, {"id_token": claims})

    def _described(self) -> dict[str, Any]:
        provider = self.get_provider()  # type: ignore[no-untyped-call]
        found = self._json(provider.server_url)
        issuer = provider.app.settings["server_url"].rstrip("/")
        if str(found.get("issuer", "")).rstrip("/") != issuer:
            raise OAuth2Error("the provider's description speaks of another issuer")
        for name in ENDPOINTS:
            if not isinstance(found.get(name), str):
                raise OAuth2Error(f"the provider's description lacks {name}")
            require_safe(found[name])
        return found

    def _json(self, url: str, *, token: str = "") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with GuardedSession() as session:
            response = session.get(url, headers=headers)
        response.raise_for_status()
        try:
            found = response.json()
        except ValueError as error:
            raise OAuth2Error("the provider's answer is no JSON") from error
        if not isinstance(found, dict):
            raise OAuth2Error("the provider's answer is no object")
        return found


class OpenIDProvider(OpenIDConnectProvider):
    """One studio's OpenID provider."""

    oauth2_adapter_class = OpenIDAdapter
    pkce_enabled_default = True

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        """Returns where to go afterwards; nothing else of the address is believed."""
        kwargs: dict[str, Any] = super().get_redirect_from_request_kwargs(request)
        return {name: kwargs[name] for name in ("process", "next_url") if name in kwargs}

    def redirect(
        self,
        request: HttpRequest,
        process: str,
        next_url: str | None = None,
        data: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> HttpResponse:
        """Sends the browser to the provider, with a nonce that the token must bring back."""
        nonce = secrets.token_urlsafe(24)
        kept = dict(list(request.session.get(NONCE_KEY, {}).items())[-statekit.MAX_STATES :])
        request.session[NONCE_KEY] = kept | {self.sub_id: nonce}
        kwargs["auth_params"] = {"nonce": nonce}
        response: HttpResponse = super().redirect(request, process, next_url=next_url, data=data, **kwargs)
        return response

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """Returns the claims, for the decision alone: `StudioProviders` keeps none of them."""
        return dict(data["id_token"])
