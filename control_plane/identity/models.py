"""Tables of sign-in: SigninPolicy, IdentityProvider, GroupRole, ProvidedMembership."""

from typing import ClassVar
from urllib.parse import urlsplit

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned
from control_plane.common.roles import Role
from control_plane.common.scoping import CapabilityManager
from control_plane.tenancy.models import Membership

LONGEST_SESSION_HOURS = 14 * 24
LONGEST_IDLE_MINUTES = 7 * 24 * 60


class SigninPolicy(StudioOwned):
    """Sign-in requirements of one studio. A studio without a row adds none to those of the platform.

    `session_hours` and `idle_minutes` null: the limits of the platform.
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
    """Protocol of an identity provider."""

    OIDC = "oidc", "OpenID Connect"
    SAML = "saml", "SAML 2.0"


class IdentityProvider(StudioOwned):
    """A studio's own service that authenticates people. It counts for its `domains`, and for this studio only.

    `issuer` is the URL of the OpenID issuer or the SAML entity id. OpenID uses `client_id` and `wrapped_secret` (wrapped
    under the studio's key, never shown again); SAML uses `sso_url` and `certificate`. `default_role` empty: people in no
    mapped group are refused. `asks_second_factor`: the provider asks for one, so its sign-in counts as such.
    `proven_domains`: those of `domains` whose owner names this studio in DNS, with the time of the last lookup (ISO
    8601). For a domain that is not proven, the provider works only through the studio's own link, and never adds an
    existing account as a member.
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
        """Whether a client secret is stored."""
        return bool(self.wrapped_secret)

    def speaks_for(self, address: str) -> bool:
        """Returns whether an e-mail address is in one of the domains; a subdomain is another domain."""
        return _domain_of(address) in self.domains

    def has_proven(self, address: str) -> bool:
        """Returns whether the owner of an address's domain names this studio in DNS."""
        return self.speaks_for(address) and _domain_of(address) in self.proven_domains

    @property
    def host(self) -> str:
        """The host that people are sent to, and where they may type a password."""
        return urlsplit(self.issuer if self.kind == ProviderKind.OIDC else self.sso_url).hostname or ""


def _domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


class GroupRole(StudioOwned):
    """The role that a provider's group gives."""

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
    """A membership that a provider created, and may change and end. A provider never touches other memberships.

    `lapsed_at`: when it was suspended because the provider had not confirmed the person for too long (`services.sso`);
    null: not suspended.
    """

    view_permission = "manage_people"
    access_path = STUDIO_ONLY

    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="+", editable=False)
    membership = models.OneToOneField(Membership, on_delete=models.CASCADE, related_name="+", editable=False)
    lapsed_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return f"{self.membership_id}"
