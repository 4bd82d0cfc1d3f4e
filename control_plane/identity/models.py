"""Tables of signing in to a studio: SigninPolicy, IdentityProvider with its GroupRoles, ProvidedMembership."""

from typing import ClassVar
from urllib.parse import urlsplit

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned
from control_plane.common.scoping import CapabilityManager
from control_plane.tenancy.models import Membership, Role

LONGEST_SESSION_HOURS = 14 * 24
LONGEST_IDLE_MINUTES = 7 * 24 * 60


class SigninPolicy(StudioOwned):
    """How people sign in to one studio. A studio without a row asks for nothing more than the platform does.

    `session_hours` and `idle_minutes` null: as long as the platform allows.
    """

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY

    admins_need_second_factor = models.BooleanField(default=False)
    provider_only = models.BooleanField(default=False)
    session_hours = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(LONGEST_SESSION_HOURS)]
    )
    idle_minutes = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(5), MaxValueValidator(LONGEST_IDLE_MINUTES)]
    )

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio"], name="identity_signinpolicy_once_per_studio")
        ]

    def __str__(self) -> str:
        return f"{self.studio_id}"


class ProviderKind(models.TextChoices):
    """Which protocol an identity provider speaks."""

    OIDC = "oidc", "OpenID Connect"
    SAML = "saml", "SAML 2.0"


class IdentityProvider(StudioOwned):
    """A service of the studio's own that says who somebody is. It speaks for `domains` alone, and for this studio alone.

    `issuer` is the OpenID issuer's address or the SAML entity id. `client_id` and `wrapped_secret` (under the studio's
    key, never shown again) are OpenID's, `sso_url` and `certificate` SAML's. `default_role` empty: whoever is in no
    mapped group is no member. `asks_second_factor`: it does so itself, and a sign-in through it counts as one.
    `proven_domains`: those of `domains` whose owner has named this studio in DNS, each with the time of the last look
    (ISO 8601). A domain beside them is the studio's word alone: the provider signs in by the studio's own link, and makes no
    member of an account that exists.
    """

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY
    studio_wrapped = {"wrapped_secret": "provider-secret"}

    kind = models.CharField(max_length=8, choices=ProviderKind.choices)
    name = models.CharField(max_length=60)
    issuer = models.CharField(max_length=300)
    client_id = models.CharField(max_length=190, blank=True)
    wrapped_secret = models.BinaryField(blank=True, editable=False)
    sso_url = models.URLField(max_length=300, blank=True)
    certificate = models.TextField(max_length=10_000, blank=True)
    domains = models.JSONField(default=list)
    proven_domains = models.JSONField(default=dict, editable=False)
    group_claim = models.CharField(max_length=120, blank=True)
    default_role = models.CharField(max_length=16, choices=Role.choices, blank=True)
    asks_second_factor = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)

    reachable: ClassVar[CapabilityManager] = CapabilityManager()

    class Meta(StudioOwned.Meta):
        default_manager_name = "objects"
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio", "name"], name="identity_provider_name_once"),
            models.CheckConstraint(
                condition=models.Q(kind__in=ProviderKind.values), name="identity_provider_known_kind"
            ),
            models.CheckConstraint(
                condition=models.Q(default_role__in=["", *Role.values]), name="identity_provider_known_role"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_secret(self) -> bool:
        """Whether a client secret is kept."""
        return bool(self.wrapped_secret)

    def speaks_for(self, address: str) -> bool:
        """Returns whether an e-mail address is in one of its domains; a subdomain is another domain."""
        return _domain_of(address) in self.domains

    def has_proven(self, address: str) -> bool:
        """Say whether the owner of an address's domain has named the studio as one that may speak for it."""
        return self.speaks_for(address) and _domain_of(address) in self.proven_domains

    @property
    def host(self) -> str:
        """The host that people are sent to, and where they would type a password."""
        return urlsplit(self.issuer if self.kind == ProviderKind.OIDC else self.sso_url).hostname or ""


def _domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


class GroupRole(StudioOwned):
    """The role of the members of one of a provider's groups."""

    view_permission = "manage_studio"
    access_path = STUDIO_ONLY

    provider = models.ForeignKey(
        IdentityProvider, on_delete=models.CASCADE, related_name="group_roles", editable=False
    )
    group = models.CharField(max_length=200)
    role = models.CharField(max_length=16, choices=Role.choices)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["group"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "group"], name="identity_grouprole_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="identity_grouprole_known_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group} {self.role}"


class ProvidedMembership(StudioOwned):
    """A membership that a provider made, and may therefore change and end. One made by hand is never its to touch.

    `lapsed_at`: when it was ended because the provider had not vouched for the person for so long (`services.sso`);
    null: never.
    """

    view_permission = "manage_people"
    access_path = STUDIO_ONLY

    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="+", editable=False)
    membership = models.OneToOneField(Membership, on_delete=models.CASCADE, related_name="+", editable=False)
    lapsed_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return f"{self.membership_id}"
