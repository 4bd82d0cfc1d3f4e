"""Sign-in through an OpenID provider: authorization code flow with PKCE, state, nonce and a verified ID token."""

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
from control_plane.accounts.outbound import GuardedSession, require_allowed_url

ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
NONCE_KEY = "openid_nonce"
"""Session key: nonce of the pending sign-in at each provider."""


class OpenIDAdapter(OpenIDConnectOAuth2Adapter):
    """Reads the provider's metadata, and accepts only its own issuer and signed claims."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """The provider's metadata (OpenID Connect Discovery 1.0, section 4.3).

        Raises:
            OAuth2Error: it names another issuer, or addresses that may not be called.
        """
        if not hasattr(self, "_description"):
            self._description = self._load_description()
        return self._description

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """Returns the callback under our own host, whatever host the request names."""
        path = reverse("openid_connect_callback", kwargs={"provider_id": self.provider_id})
        return f"{settings.PUBLIC_URL}{path}"

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> Any:
        """Returns the person that the provider has authenticated.

        Raises:
            OAuth2Error: the ID token or the userinfo response is refused.
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
                raise OAuth2Error("the ID token and the userinfo response name different people")
            claims = more | claims
        # A boolean (OpenID Connect Core 1.0, section 5.1). allauth also accepts strings such as "true", which a provider
        # may have copied from a form without verifying the address.
        claims = dict(claims) | {"email_verified": claims.get("email_verified") is True}
        provider = self.get_provider()  # type: ignore[no-untyped-call]
        return provider.sociallogin_from_response(request, {"id_token": claims})

    def _load_description(self) -> dict[str, Any]:
        provider = self.get_provider()  # type: ignore[no-untyped-call]
        found = self._json(provider.server_url)
        issuer = provider.app.settings["server_url"].rstrip("/")
        if str(found.get("issuer", "")).rstrip("/") != issuer:
            raise OAuth2Error("the provider's metadata names another issuer")
        for name in ENDPOINTS:
            if not isinstance(found.get(name), str):
                raise OAuth2Error(f"the provider's metadata lacks {name}")
            require_allowed_url(found[name])
        return found

    def _json(self, url: str, *, token: str = "") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with GuardedSession() as session:
            response = session.get(url, headers=headers)
        response.raise_for_status()
        try:
            found = response.json()
        except ValueError as error:
            raise OAuth2Error("the provider's response is not JSON") from error
        if not isinstance(found, dict):
            raise OAuth2Error("the provider's response is not a JSON object")
        return found


class OpenIDProvider(OpenIDConnectProvider):
    """One studio's OpenID provider."""

    oauth2_adapter_class = OpenIDAdapter
    pkce_enabled_default = True

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        """Returns the redirect target; ignores all other parameters of the URL."""
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
        """Redirects the browser to the provider, with a nonce that the ID token must contain."""
        nonce = secrets.token_urlsafe(24)
        kept = dict(list(request.session.get(NONCE_KEY, {}).items())[-statekit.MAX_STATES :])
        request.session[NONCE_KEY] = kept | {self.sub_id: nonce}
        kwargs["auth_params"] = {"nonce": nonce}
        response: HttpResponse = super().redirect(request, process, next_url=next_url, data=data, **kwargs)
        return response

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """Returns the claims for the sign-in decision. `StudioProviders` does not store them."""
        return dict(data["id_token"])
