"""Addresses of roles, grants and denials."""

from django.urls import path

from control_plane.portal.access import role_views, views
from control_plane.portal.addresses import STUDIO

urlpatterns = [
    path(f"{STUDIO}/classes/<uuid:class_id>/access/", views.class_access, name="class_access"),
    path(f"{STUDIO}/rooms/<uuid:room_id>/access/", views.room_access, name="room_access"),
    path(f"{STUDIO}/access/", role_views.access_table, name="access"),
    path(f"{STUDIO}/access/reset/", role_views.access_reset, name="access_reset"),
    path(f"{STUDIO}/access/grants/<uuid:grant_id>/end/", views.end_grant, name="end_grant"),
]
