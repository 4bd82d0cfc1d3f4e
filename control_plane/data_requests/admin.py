"""Admin page of requests about data. Read only: the portal answers them."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.data_requests.models import DataRequest


@admin.register(DataRequest)
class DataRequestAdmin(ScopedAdmin):
    """Requests about data, closed ones included."""

    list_display = ("received_on", "kind", "requester", "due_on", "state")
    list_filter = ("kind", "state")
    fields = readonly_fields = (
        "kind",
        "dancer_id",
        "requester",
        "note",
        "received_on",
        "due_on",
        "state",
        "closed_at",
        "closed_by",
        "answer",
        "receipt",
        "receipt_sha256",
    )
