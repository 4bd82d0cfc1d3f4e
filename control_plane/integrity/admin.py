"""Admin page of integrity scans."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.integrity.models import IntegrityScan


@admin.register(IntegrityScan)
class IntegrityScanAdmin(ScopedAdmin):
    """Progress of the integrity scan of each store."""

    list_display = ("store", "depth", "begun_at", "finished_at")
    list_select_related = ("store",)
    fields = readonly_fields = ("store", "depth", "begun_at", "finished_at", "after")
