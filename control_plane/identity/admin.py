"""Admin pages of sign-in: policy and identity providers. Read only; they are changed in the portal."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.identity.models import GroupRole, IdentityProvider, ProvidedMembership, SigninPolicy


@admin.register(SigninPolicy)
class SigninPolicyAdmin(ScopedAdmin):
    """Sign-in policy of the studio."""

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
    """Roles of a provider's groups."""

    list_display = fields = readonly_fields = ("provider", "group", "role")
    list_select_related = ("provider",)


@admin.register(ProvidedMembership)
class ProvidedMembershipAdmin(ScopedAdmin):
    """Memberships that providers created."""

    list_display = fields = readonly_fields = ("membership", "provider", "created_at")
    list_select_related = ("membership__user", "provider")
