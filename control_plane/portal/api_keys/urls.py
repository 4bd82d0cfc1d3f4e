"""Addresses of API keys."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.api_keys import views

urlpatterns = [
    path(f"{STUDIO}/api-keys/", views.api_keys, name="api_keys"),
    path(f"{STUDIO}/api-keys/<uuid:key_id>/end/", views.end_api_key, name="end_api_key"),
]
