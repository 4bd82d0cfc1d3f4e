"""Admin page of integrity scans."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.integrity.models import StoreRound


@admin.register(StoreRound)
class StoreRoundAdmin(ScopedAdmin):
    """How far the nightly check of each store is."""

    list_display = ("store", "depth", "begun_at", "finished_at")
    list_select_related = ("store",)
    fields = readonly_fields = ("store", "depth", "begun_at", "finished_at", "after")
