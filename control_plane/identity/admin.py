"""How people come in: sign-in rules, identity providers, invitations, API keys. Read here, changed on the portal."""

from django.contrib import admin

from control_plane.access.models import ApiKey
from control_plane.console.scoped import ScopedAdmin
from control_plane.identity.models import GroupRole, IdentityProvider, ProvidedMembership, SigninPolicy
from control_plane.tenancy.models import Invitation


@admin.register(SigninPolicy)
class SigninPolicyAdmin(ScopedAdmin):
    """What the studio asks at sign-in."""

    list_display = fields = readonly_fields = (
        "admins_need_second_factor",
        "provider_only",
        "session_hours",
        "idle_minutes",
    )


@admin.register(IdentityProvider)
class IdentityProviderAdmin(ScopedAdmin):
    """Identity providers, without their secrets."""

    list_display = ("name", "kind", "enabled", "created_at")
    fields = readonly_fields = (
        "name",
        "kind",
        "issuer",
        "client_id",
        "sso_url",
        "domains",
        "proven_domains",
        "group_claim",
        "default_role",
        "asks_second_factor",
        "enabled",
    )


@admin.register(GroupRole)
class GroupRoleAdmin(ScopedAdmin):
    """Which group of a provider has which role."""

    list_display = fields = readonly_fields = ("provider", "group", "role")
    list_select_related = ("provider",)


@admin.register(ProvidedMembership)
class ProvidedMembershipAdmin(ScopedAdmin):
    """Memberships that a provider made."""

    list_display = fields = readonly_fields = ("membership", "provider", "created_at")
    list_select_related = ("membership__user", "provider")


@admin.register(Invitation)
class InvitationAdmin(ScopedAdmin):
    """Invitations, without what opens them."""

    list_display = ("email", "role", "created_at", "expires_at", "accepted_at", "revoked_at")
    fields = readonly_fields = (
        "email",
        "role",
        "membership_ends_at",
        "created_at",
        "expires_at",
        "sent_at",
        "accepted_at",
        "revoked_at",
    )


@admin.register(ApiKey)
class ApiKeyAdmin(ScopedAdmin):
    """Keys of programs: that they exist, never what they are."""

    list_display = ("name", "shown", "user", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    fields = readonly_fields = (
        "name",
        "shown",
        "user",
        "actions",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
