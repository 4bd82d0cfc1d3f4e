"""Adapter between allauth and the identity providers of studios: finds the provider, and admits or refuses the person."""

from typing import Any
from uuid import UUID

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError, AuthProcess
from django.http import HttpRequest

from control_plane.accounts.models import User
from control_plane.accounts.outbound import GuardedSession
from control_plane.accounts.provider_views import refused
from control_plane.common.scoping import capability_scope, studio_scope
from control_plane.identity.models import IdentityProvider, ProviderKind
from control_plane.identity.services.sso import SECRET_KIND, ProviderClaims, admit
from control_plane.keys import vault

OPENID, SAML = "openid_connect", "saml"
VERIFIED = "http://schemas.auth0.com/email_verified"


class StudioProviders(DefaultSocialAccountAdapter):
    """Each provider is a row of one studio. Only people whom `services.sso.admit` admits are signed in."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Returns the provider with that id. There is no list of all providers."""
        found = provider_by_id(client_id or provider or "")
        return [_app(found)] if found is not None else []

    def get_requests_session(self) -> GuardedSession:
        """Returns the HTTP session for calls to providers."""
        return GuardedSession()

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Returns False: only `admit` creates accounts."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Admits or refuses the person that a provider has authenticated.

        Raises:
            ImmediateHttpResponse: the person is refused; it carries the page without reasons.
        """
        provider_id = sociallogin.account.provider
        provider = provider_by_id(provider_id)
        if provider is None or sociallogin.state.get("process") != AuthProcess.LOGIN:
            raise ImmediateHttpResponse(refused(request, "not a sign-in", provider=provider_id))
        found = sociallogin.user
        linked = found if isinstance(found, User) and sociallogin.is_existing else None
        admission = admit(provider, _claims(provider, sociallogin), linked=linked)
        if admission.user is None:
            raise ImmediateHttpResponse(refused(request, admission.reason, provider=provider_id))
        sociallogin.user = admission.user
        sociallogin.account, _ = SocialAccount.objects.update_or_create(
            provider=provider_id,
            uid=sociallogin.account.uid,
            defaults={"user": admission.user, "extra_data": {}},
        )

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Answers every failed sign-in with the same page, without reasons.

        Raises:
            ImmediateHttpResponse: carries that page, unless the person cancelled.
        """
        if error != AuthError.CANCELLED:
            reason = str(exception or error)
            raise ImmediateHttpResponse(refused(request, reason, provider=str(provider.app.provider_id)))


def provider_by_id(text: str) -> IdentityProvider | None:
    """Returns an enabled provider, or None."""
    try:
        id_ = UUID(text)
    except ValueError:
        return None
    with capability_scope("provider_id", str(id_)):
        found: IdentityProvider | None = IdentityProvider.reachable.filter(pk=id_).first()
    return found


def _app(provider: IdentityProvider) -> SocialApp:
    app = SocialApp(provider_id=str(provider.id), name=provider.name)
    if provider.kind == ProviderKind.OIDC:
        app.provider, app.client_id = OPENID, provider.client_id
        app.settings = {"server_url": provider.issuer, "oauth_pkce_enabled": True}
        if provider.has_secret:
            with studio_scope(provider.studio_id):
                secret = vault.open_secret(bytes(provider.wrapped_secret), kind=SECRET_KIND, id_=provider.id)
            app.secret = secret.decode()
    else:
        app.provider, app.client_id = SAML, str(provider.id)
        app.settings = {
            "idp": {
                "entity_id": provider.issuer,
                "sso_url": provider.sso_url,
                "x509cert": provider.certificate,
            }
        }
    return app


def _denied(raw: dict[str, Any]) -> bool:
    """Returns whether a SAML response marks its address as unverified, as providers with open registration do."""
    given = raw.get(VERIFIED, ())
    words = given if isinstance(given, list | tuple) else (given,)
    return any(str(word).strip().lower() not in ("true", "1", "yes") for word in words)


def _claims(provider: IdentityProvider, login: SocialLogin) -> ProviderClaims:
    raw: dict[str, Any] = login.account.extra_data
    login.account.extra_data = {}
    addresses = login.email_addresses
    # SAML does not mark addresses as verified, so its own domains count; OpenID says so for each address.
    by_saml = provider.kind == ProviderKind.SAML and not _denied(raw)
    verified = by_saml or bool(addresses and addresses[0].verified is True)
    groups = raw.get(provider.group_claim, ()) if provider.group_claim else ()
    listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list | tuple) else ()
    names = raw.get("name") or raw.get("displayName") or ""
    name = names[0] if isinstance(names, list) and names else names
    return ProviderClaims(
        address=addresses[0].email.strip().lower() if addresses else "",
        verified=verified,
        name=str(name)[:120] if isinstance(name, str) else "",
        groups=frozenset(str(item) for item in listed),
    )
