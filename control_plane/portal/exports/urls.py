"""Addresses of exports."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.exports import download_views, views

urlpatterns = [
    path(f"{STUDIO}/classes/<uuid:class_id>/export/", views.export, name="export"),
    path(f"{STUDIO}/exports/", views.exports, name="exports"),
    path(f"{STUDIO}/exports/rows/", views.rows, name="export_rows"),
    path(f"{STUDIO}/exports/<uuid:export_id>/approve/", views.approve, name="approve_export"),
    path(f"{STUDIO}/exports/<uuid:export_id>/delete/", views.delete, name="delete_export"),
    path(f"{STUDIO}/exports/<uuid:export_id>/download/", download_views.download, name="download_export"),
]
