"""Admin pages of accounts and of the audit log: their apps are below `access`, which every admin page asks."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.accounts.models import User
from control_plane.audit.models import ChainHead, Entry


@admin.register(User)
class UserAdmin(ScopedAdmin):
    """People who belong to the studio; their roles are under memberships."""

    list_display = ("email", "display_name", "is_active")
    search_fields = ("email", "display_name")
    # Nothing of when the account was made or used: that is not this studio's own part.
    fields = readonly_fields = ("email", "display_name", "is_active")


@admin.register(Entry)
class EntryAdmin(ScopedAdmin):
    """The audit log. Reading it is an act of its own, and on record."""

    ordering = ("-sequence",)
    list_display = ("sequence", "occurred_at", "action", "actor", "object_type", "object_id")
    list_filter = ("action",)
    list_per_page = 50
    show_full_result_count = False
    fields = readonly_fields = (
        "sequence", "occurred_at", "action", "actor", "object_type", "object_id", "details", "hash_hex",
    )  # fmt: skip

    @admin.display(description="Who")
    def actor(self, obj: Entry) -> str:
        """Returns kind and id, or the job."""
        return f"{obj.actor_kind} {obj.actor_id or obj.actor_job}"

    @admin.display(description="Hash")
    def hash_hex(self, obj: Entry) -> str:
        """Returns the link's hash in hex."""
        return bytes(obj.hash).hex()


@admin.register(ChainHead)
class ChainHeadAdmin(ScopedAdmin):
    """The end of the audit chain."""

    list_display = ("sequence", "hash_hex")
    fields = readonly_fields = ("sequence", "hash_hex")

    @admin.display(description="Hash")
    def hash_hex(self, obj: ChainHead) -> str:
        """Returns the last link's hash in hex."""
        return bytes(obj.hash).hex()
