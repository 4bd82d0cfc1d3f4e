"""Admin pages of accounts and the audit log. Their own apps are below `access`, which every admin page imports."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.accounts.models import User
from control_plane.audit.models import ChainHead, Entry


@admin.register(User)
class UserAdmin(ScopedAdmin):
    """Users of the studio; their roles are in their memberships."""

    list_display = ("email", "display_name", "is_active")
    search_fields = ("email", "display_name")
    # Not when the account was created or used: a user may belong to other studios too.
    fields = readonly_fields = ("email", "display_name", "is_active")


@admin.register(Entry)
class EntryAdmin(ScopedAdmin):
    """The audit log. Each read of it is an audit event."""

    ordering = ("-sequence",)
    list_display = ("sequence", "occurred_at", "action", "actor", "object_type", "object_id")
    list_filter = ("action",)
    list_per_page = 50
    show_full_result_count = False
    fields = readonly_fields = (
        "sequence", "occurred_at", "action", "actor", "object_type", "object_id", "details", "hash_hex",
    )  # fmt: skip

    @admin.display(description="Actor")
    def actor(self, obj: Entry) -> str:
        """Returns the kind of actor with its id, or with its job."""
        return f"{obj.actor_kind} {obj.actor_id or obj.actor_job}"

    @admin.display(description="Hash")
    def hash_hex(self, obj: Entry) -> str:
        """Returns the hash of the event as hex."""
        return bytes(obj.hash).hex()


@admin.register(ChainHead)
class ChainHeadAdmin(ScopedAdmin):
    """The head of the audit log's hash chain."""

    list_display = ("sequence", "hash_hex")
    fields = readonly_fields = ("sequence", "hash_hex")

    @admin.display(description="Hash")
    def hash_hex(self, obj: ChainHead) -> str:
        """Returns the hash of the newest event as hex."""
        return bytes(obj.hash).hex()
