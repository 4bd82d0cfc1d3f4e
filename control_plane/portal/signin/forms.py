"""Forms of the sign-in settings: policy, identity providers, invitations."""

from datetime import datetime, time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from control_plane.common.roles import Role
from control_plane.identity.models import (
    LONGEST_IDLE_MINUTES,
    LONGEST_SESSION_HOURS,
    GroupRole,
    IdentityProvider,
    ProviderKind,
)
from control_plane.identity.saml_metadata import MetadataRefused, read_metadata
from control_plane.identity.services.signin import ProviderFacts

LINES = {"rows": 3, "autocomplete": "off", "spellcheck": "false"}
NOT_ADMIN = [(role.value, role.label) for role in Role if role is not Role.ADMIN]
MOST_METADATA = 100_000


class PolicyForm(forms.Form):
    """Form of the sign-in policy."""

    admins_need_second_factor = forms.BooleanField(
        label=gettext_lazy("Require a second factor for admins"),
        required=False,
        help_text=gettext_lazy(
            "Admins without a passkey or authenticator app must set one up before they can open the studio."
        ),
    )
    provider_only = forms.BooleanField(
        label=gettext_lazy("Only through an identity provider"),
        required=False,
        help_text=gettext_lazy(
            "Passwords and passkeys no longer open the studio. Admins with a second factor "
            "can still sign in without the provider, so that a failed provider locks nobody "
            "out."
        ),
    )
    session_hours = forms.IntegerField(
        label=gettext_lazy("Sign in again after (hours)"),
        required=False,
        min_value=1,
        max_value=LONGEST_SESSION_HOURS,
        help_text=gettext_lazy("Empty: the maximum of this installation."),
    )
    idle_minutes = forms.IntegerField(
        label=gettext_lazy("Or after inactivity of (minutes)"),
        required=False,
        min_value=5,
        max_value=LONGEST_IDLE_MINUTES,
    )


class ProviderForm(forms.Form):
    """Fields of all identity providers."""

    kind: ProviderKind

    name = forms.CharField(max_length=60, help_text=gettext_lazy("Text of the button: Sign in with ..."))
    domains = forms.CharField(
        label=gettext_lazy("E-mail domains"),
        widget=forms.Textarea(attrs=LINES),
        help_text=gettext_lazy(
            "One per line, e.g. school.example. The provider signs in only addresses of these "
            "domains. After saving, this page explains how to verify a domain."
        ),
    )
    group_claim = forms.CharField(
        label=gettext_lazy("Groups claim"),
        required=False,
        max_length=120,
        help_text=gettext_lazy("The claim or attribute that lists a person's groups, often “groups”."),
    )
    groups = forms.CharField(
        label=gettext_lazy("Groups and roles"),
        required=False,
        widget=forms.Textarea(attrs=LINES | {"rows": 5}),
        help_text="One per line: group = role. Roles are " + ", ".join(role.value for role in Role) + ".",
    )
    default_role = forms.ChoiceField(
        label=gettext_lazy("Default role"),
        required=False,
        choices=[("", "No role: sign-in is refused"), *NOT_ADMIN],
    )
    asks_second_factor = forms.BooleanField(
        label=gettext_lazy("The provider requires a second factor"),
        required=False,
        help_text=gettext_lazy("Then the studio does not ask for another one."),
    )
    enabled = forms.BooleanField(label=gettext_lazy("Enabled"), required=False, initial=True)

    def clean_groups(self) -> dict[str, Role]:
        """Returns group -> role.

        Raises:
            ValidationError: a line is not `group = role`, or names no role.
        """
        found: dict[str, Role] = {}
        for number, line in enumerate(self.cleaned_data["groups"].splitlines(), start=1):
            if not line.strip():
                continue
            group, _separator, role = (part.strip() for part in line.rpartition("="))
            if not group or role.lower() not in Role.values:
                raise ValidationError(
                    _("Line %(number)s is not “group = role”: %(strip)s")
                    % {"number": number, "strip": line.strip()[:60]}
                )
            found[group] = Role(role.lower())
        return found

    def facts(self) -> ProviderFacts:
        """Returns the values for the service."""
        data: dict[str, Any] = self.cleaned_data
        return ProviderFacts(
            kind=self.kind,
            name=data["name"],
            issuer=data["issuer"],
            domains=data["domains"].splitlines(),
            client_id=data.get("client_id", ""),
            secret=data.get("secret", ""),
            sso_url=data.get("sso_url", ""),
            certificate=data.get("certificate", ""),
            group_claim=data["group_claim"],
            default_role=Role(data["default_role"]) if data["default_role"] else None,
            group_roles=data["groups"],
            asks_second_factor=data["asks_second_factor"],
            enabled=data["enabled"],
        )


class OpenIDForm(ProviderForm):
    """An OpenID provider."""

    kind = ProviderKind.OIDC

    issuer = forms.CharField(
        max_length=300, help_text=gettext_lazy("Issuer URL, e.g. https://login.school.example/realms/main")
    )
    client_id = forms.CharField(label=gettext_lazy("Client id"), max_length=190)
    secret = forms.CharField(
        label=gettext_lazy("Client secret"),
        required=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Stored encrypted and never shown again. Empty: keep the current one."),
    )
    field_order = (
        "name",
        "issuer",
        "client_id",
        "secret",
        "domains",
        "group_claim",
        "groups",
        "default_role",
    )


class SamlForm(ProviderForm):
    """A SAML provider."""

    kind = ProviderKind.SAML

    metadata = forms.CharField(
        label=gettext_lazy("The provider's metadata"),
        required=False,
        max_length=MOST_METADATA,
        widget=forms.Textarea(attrs=LINES),
        help_text=gettext_lazy(
            "Paste the provider's XML to fill in the next three fields, or fill them in yourself."
        ),
    )
    issuer = forms.CharField(label=gettext_lazy("Entity id"), required=False, max_length=300)
    sso_url = forms.CharField(label=gettext_lazy("Sign-in address"), required=False, max_length=300)
    certificate = forms.CharField(
        label=gettext_lazy("Signing certificate"),
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs=LINES),
    )
    field_order = ("name", "metadata", "issuer", "sso_url", "certificate", "domains", "group_claim", "groups")

    def clean(self) -> dict[str, Any]:
        """Returns the data, completed from the metadata if given."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("metadata"):
            try:
                found = read_metadata(data["metadata"])
            except MetadataRefused as error:
                self.add_error("metadata", str(error))
                return data
            data |= {"issuer": found.entity_id, "sso_url": found.sso_url, "certificate": found.certificate}
        for name in ("issuer", "sso_url", "certificate"):
            if not data.get(name):
                self.add_error(name, _("Fill in this field or paste the metadata."))
        return data


class InviteForm(forms.Form):
    """Form of an invitation."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail address"), widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)
    ends_on = forms.DateField(
        label=gettext_lazy("Membership ends after"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("Empty: no end date."),
    )

    def ends_at(self, zone: Any) -> datetime | None:
        """Returns the end of the chosen day in the studio's time zone."""
        day = self.cleaned_data["ends_on"]
        return datetime.combine(day, time.max, tzinfo=zone) if day else None


def provider_form(kind: ProviderKind) -> type[OpenIDForm | SamlForm]:
    """Returns the form of a kind of provider."""
    return OpenIDForm if kind == ProviderKind.OIDC else SamlForm


def initial_of(provider: IdentityProvider) -> dict[str, Any]:
    """Returns the stored values of a provider without its secret."""
    groups = GroupRole.objects.filter(provider=provider).values_list("group", "role")
    names = ("name", "issuer", "client_id", "sso_url", "certificate", "group_claim", "default_role")
    return {name: getattr(provider, name) for name in names} | {
        "domains": "\n".join(provider.domains),
        "groups": "\n".join(f"{group} = {role}" for group, role in groups),
        "asks_second_factor": provider.asks_second_factor,
        "enabled": provider.enabled,
    }
