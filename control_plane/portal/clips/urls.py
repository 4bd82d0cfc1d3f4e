"""Addresses of clips."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.clips import views

urlpatterns = [
    path(f"{STUDIO}/clips/", views.clip_list, name="clips"),
    path(f"{STUDIO}/classes/<uuid:class_id>/clips/", views.class_clips, name="class_clips"),
    path(f"{STUDIO}/clips/<uuid:clip_id>/", views.clip_page, name="clip"),
    path(f"{STUDIO}/clips/<uuid:clip_id>/delete/", views.delete, name="delete_clip"),
]
