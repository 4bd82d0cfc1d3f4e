"""Addresses of encryption keys."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.keys import views

urlpatterns = [
    path(f"{STUDIO}/classes/<uuid:class_id>/destroy/", views.shred_one, name="shred_class"),
    path(f"{STUDIO}/keys/", views.keys, name="keys"),
    path(f"{STUDIO}/keys/new/", views.rotate_keys, name="rotate_keys"),
    path(f"{STUDIO}/keys/destroy/", views.shred_everything, name="shred_studio"),
]
