"""Row security on every table of studios, with what can be read before a studio is in scope."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ForceRowSecurity, Reach, setting

USER = setting("user_id")
PROVIDER_DOMAIN = setting("provider_domain", "text")
OWN_STUDIO = (
    "EXISTS (SELECT 1 FROM studios_membership AS own WHERE own.studio_id = studios_studio.id"
    f" AND own.user_id = {USER})"
)
OPENED_STUDIO = (
    "EXISTS (SELECT 1 FROM studios_breakglass AS glass WHERE glass.studio_id = studios_studio.id"
    f" AND glass.operator_id = {USER} AND glass.closed_at IS NULL AND glass.ends_at > now())"
)
SWEEP = f"{setting('platform', 'text')} = 'on'"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("studios", "0001_initial")]
    operations: ClassVar = [
        ForceRowSecurity(
            "Studio",
            column="id",
            reach=[
                Reach("own_studio", OWN_STUDIO),
                # An operator with break-glass access finds the studio by its slug before it is in scope.
                Reach("opened_studio", OPENED_STUDIO),
                Reach("sweep", SWEEP),
            ],
        ),
        ForceRowSecurity("Room"),
        ForceRowSecurity(
            "Membership",
            reach=[
                Reach("own_membership", f"user_id = {USER}"),
                # Whether an account belongs to another studio: asked before a link is made that would open all of it.
                Reach("by_account", f"user_id = {setting('account_memberships')}"),
            ],
        ),
        # Whoever holds the link may find the invitation that it belongs to.
        ForceRowSecurity(
            "Invitation",
            reach=[Reach("by_hash", f"encode(token_sha256, 'hex') = {setting('invitation_hash', 'text')}")],
        ),
        ForceRowSecurity("RoleActions"),
        ForceRowSecurity("ObjectRight"),
        ForceRowSecurity("BreakGlass", reach=[Reach("own_breakglass", f"operator_id = {USER}")]),
        # A program is known by its key before its studio is known.
        ForceRowSecurity(
            "ApiKey",
            reach=[Reach("by_hash", f"encode(secret_sha256, 'hex') = {setting('api_key_hash', 'text')}")],
        ),
        ForceRowSecurity("Dancer"),
        ForceRowSecurity("Guardianship"),
        ForceRowSecurity("StudioKey"),
        ForceRowSecurity("KeyTombstone"),
        ForceRowSecurity("SigninPolicy"),
        # Before anybody is signed in: the provider whose address was called, and those that have proven a domain.
        ForceRowSecurity(
            "IdentityProvider",
            reach=[
                Reach("by_id", f"enabled AND id = {setting('provider_id')}"),
                Reach("by_domain", f"enabled AND domains ? {PROVIDER_DOMAIN} AND proven_domains ? {PROVIDER_DOMAIN}"),
            ],
        ),
        ForceRowSecurity("GroupRole"),
        ForceRowSecurity("ProvidedMembership"),
        ForceRowSecurity("StudioStore"),
        ForceRowSecurity("StudioStorage"),
        ForceRowSecurity("StoreProbe"),
        ForceRowSecurity("StoreMove"),
        ForceRowSecurity("MoveFault"),
        ForceRowSecurity("Disposal"),
        ForceRowSecurity("StudioPlan"),
    ]
