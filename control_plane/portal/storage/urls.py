"""Addresses of storage and usage."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.storage import views

urlpatterns = [
    path(f"{STUDIO}/settings/storage/", views.storage, name="storage"),
    path(f"{STUDIO}/settings/storage/state/", views.storage_state, name="storage_state"),
    path(f"{STUDIO}/settings/storage/region/", views.storage_region, name="storage_region"),
    path(f"{STUDIO}/settings/storage/add/", views.new_store, name="new_store"),
    path(f"{STUDIO}/settings/storage/<slug:store>/", views.store_page, name="store"),
    path(f"{STUDIO}/settings/storage/<slug:store>/try/", views.try_again, name="run_store_probe"),
    path(f"{STUDIO}/settings/storage/<slug:store>/move/", views.migrate_here, name="start_migration"),
    path(f"{STUDIO}/settings/storage/<slug:store>/retire/", views.retire, name="retire_store"),
    path(f"{STUDIO}/settings/migrations/<uuid:migration_id>/cancel/", views.cancel, name="cancel_migration"),
    path(f"{STUDIO}/settings/migrations/<uuid:migration_id>/retry/", views.retry, name="retry_migration"),
    path(f"{STUDIO}/settings/usage/", views.usage, name="usage"),
]
