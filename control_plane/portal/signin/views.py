"""Sign-in settings of the studio: policy and identity providers; and the public page that finds a provider.

The public page shows each provider with its studio's name and its host: it must not lead to a host that a person has
not read.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from control_plane.access import access
from control_plane.access.requests import StudioRequest
from control_plane.accounts.limits import require_attempts_left
from control_plane.common.errors import BadRequest, Conflict, NotFound, TooManyRequests, Unavailable
from control_plane.identity.models import IdentityProvider, ProviderKind, SigninPolicy
from control_plane.identity.selectors import enabled_provider, providers_for
from control_plane.identity.services.domains import prove_domain, record_name, record_text
from control_plane.identity.services.signin import (
    POLICY_FIELDS,
    add_provider,
    change_provider,
    change_signin_policy,
    remove_provider,
)
from control_plane.portal.page import actor_of, studio_page
from control_plane.portal.signin.forms import PolicyForm, initial_of, provider_form
from control_plane.tenancy.permissions import MANAGE_STUDIO
from control_plane.tenancy.selectors import studio_name_of

HERE: dict[str, object] = {"section": "settings"}
READ_WRITE = ("GET", "HEAD", "POST")


@dataclass(frozen=True, slots=True)
class Way:
    """A sign-in option: the studio, and the provider's host."""

    studio: str
    name: str
    host: str
    address: str


@dataclass(frozen=True, slots=True)
class Domain:
    """An e-mail domain of a provider. `proven_at` is None until its owner names the studio in DNS."""

    name: str
    proven_at: datetime | None
    record_name: str
    record_text: str


class FindForm(forms.Form):
    """Form of the e-mail address whose provider is sought."""

    email = forms.EmailField(
        label=gettext_lazy("Your e-mail address there"), widget=forms.EmailInput(attrs={"autofocus": True})
    )


@never_cache
@require_http_methods(READ_WRITE)
def find_provider(request: HttpRequest) -> HttpResponse:
    """Shows the providers that have proven an address's domain."""
    form = FindForm(request.POST or None)
    context: dict[str, object] = {"form": form}
    if request.method == "POST":
        require_attempts_left(request, "find_provider")
        if form.is_valid():
            domain = form.cleaned_data["email"].rpartition("@")[2].lower()
            context["ways"] = [_way(item) for item in providers_for(domain)]
    return render(request, "portal/signin/find_provider.html", context)


@never_cache
@require_safe
def provider_sign_in(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """Shows a provider's studio and host: the link that a studio gives to its members.

    Raises:
        NotFound: no such provider, or it is disabled.
    """
    require_attempts_left(request, "find_provider")
    provider = enabled_provider(provider_id)
    if provider is None:
        raise NotFound
    return render(request, "portal/signin/find_provider.html", {"ways": [_way(provider)], "is_link": True})


@require_http_methods(READ_WRITE)
def sign_in_settings(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows the sign-in policy and the providers, and changes the policy."""
    actor = actor_of(request)
    access.require(actor, MANAGE_STUDIO, request.studio)
    policy = SigninPolicy.objects.first() or SigninPolicy(studio=request.studio)
    initial = {name: getattr(policy, name) for name in POLICY_FIELDS}
    form = PolicyForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            change_signin_policy(request.studio, actor=actor, **form.cleaned_data)
        except BadRequest as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("Saved. Changes apply from the next request."))
            return redirect("portal:sign_in", slug)
    context = HERE | {"form": form, "providers": access.visible(actor, IdentityProvider)}
    return studio_page(request, "portal/signin/settings.html", context)


@require_http_methods(READ_WRITE)
def new_provider(request: StudioRequest, slug: str, kind: str) -> HttpResponse:
    """Adds an identity provider."""
    actor = actor_of(request)
    access.require(actor, MANAGE_STUDIO, request.studio)
    if kind not in ProviderKind.values:
        raise NotFound
    form = provider_form(ProviderKind(kind))(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            provider = add_provider(request.studio, form.facts(), actor=actor)
        except (BadRequest, Conflict, TooManyRequests) as error:
            form.add_error(None, error.detail)
        else:
            messages.success(
                request, _("Added. Now configure this studio at the provider, as described below.")
            )
            return redirect("portal:provider", slug, provider.id)
    context = HERE | {"form": form, "kind": ProviderKind(kind)}
    return studio_page(request, "portal/signin/provider.html", context)


@require_http_methods(READ_WRITE)
def provider_page(request: StudioRequest, slug: str, provider_id: UUID) -> HttpResponse:
    """Shows and changes an identity provider, with the values to enter on the provider's side."""
    actor = actor_of(request)
    provider = _provider(request, provider_id)
    form = provider_form(ProviderKind(provider.kind))(request.POST or None, initial=initial_of(provider))
    if request.method == "POST" and form.is_valid():
        try:
            change_provider(provider, form.facts(), actor=actor)
        except (BadRequest, Conflict) as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("Saved."))
            return redirect("portal:provider", slug, provider.id)
    context = HERE | {
        "form": form,
        "kind": ProviderKind(provider.kind),
        "provider": provider,
        "theirs": _for_the_provider(provider),
        "domains": _domains(provider),
        "sign_in_link": settings.PUBLIC_URL + reverse("portal:provider_sign_in", args=[provider.id]),
    }
    return studio_page(request, "portal/signin/provider.html", context)


@require_POST
def provider_remove(request: StudioRequest, slug: str, provider_id: UUID) -> HttpResponse:
    """Removes an identity provider."""
    try:
        remove_provider(_provider(request, provider_id), actor=actor_of(request))
    except BadRequest as error:
        messages.error(request, error.detail)
        return redirect("portal:provider", slug, provider_id)
    messages.success(request, _("Removed."))
    return redirect("portal:sign_in", slug)


@require_POST
def prove_provider_domain(request: StudioRequest, slug: str, provider_id: UUID) -> HttpResponse:
    """Checks in DNS whether the owner of a domain names the studio."""
    provider = _provider(request, provider_id)
    require_attempts_left(request, "domain")
    domain = request.POST.get("domain", "")
    try:
        is_proven = prove_domain(provider, domain, actor=actor_of(request))
    except Unavailable as error:
        messages.error(request, error.detail)
    else:
        if is_proven:
            messages.success(
                request,
                _("%(domain)s is verified. Its addresses sign in through %(provider)s.")
                % {"domain": domain, "provider": provider.name},
            )
        else:
            messages.error(
                request,
                _("No such record at %(domain)s yet. New records can take an hour.")
                % {"domain": record_name(domain)},
            )
    return redirect("portal:provider", slug, provider.id)


def login_address(provider: IdentityProvider) -> str:
    """Returns the address at which signing in through a provider begins."""
    name = "openid_connect_login" if provider.kind == ProviderKind.OIDC else "saml_login"
    return reverse(name, args=[provider.id])


def _way(provider: IdentityProvider) -> Way:
    return Way(
        studio=studio_name_of(provider.studio_id),
        name=provider.name,
        host=provider.host,
        address=login_address(provider),
    )


def _domains(provider: IdentityProvider) -> list[Domain]:
    return [
        Domain(
            name=domain,
            proven_at=datetime.fromisoformat(at) if (at := provider.proven_domains.get(domain)) else None,
            record_name=record_name(domain),
            record_text=record_text(provider.studio_id),
        )
        for domain in provider.domains
    ]


def _provider(request: StudioRequest, provider_id: UUID) -> IdentityProvider:
    access.require(actor_of(request), MANAGE_STUDIO, request.studio)
    found: IdentityProvider | None = IdentityProvider.objects.filter(pk=provider_id).first()
    if found is None:
        raise NotFound
    return found


def _for_the_provider(provider: IdentityProvider) -> list[tuple[str, str]]:
    def ours(name: str) -> str:
        return settings.PUBLIC_URL + reverse(name, args=[provider.id])

    if provider.kind == ProviderKind.OIDC:
        return [("Redirect address", ours("openid_connect_callback"))]
    return [
        ("Entity id (audience)", ours("saml_metadata")),
        ("Answer address (ACS)", ours("saml_acs")),
        ("Metadata", ours("saml_metadata")),
    ]
