"""Addresses of the portal's pages: one module per area."""

from django.urls import include, path

from control_plane.portal.areas import AREAS

app_name = "portal"

urlpatterns = [path("", include(f"control_plane.portal.{area}.urls")) for area in AREAS]
