"""Addresses of classes and rosters."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.classes import roster_views, views

urlpatterns = [
    path(f"{STUDIO}/classes/", views.class_list, name="classes"),
    path(f"{STUDIO}/classes/<uuid:class_id>/", views.class_page, name="class"),
    path(f"{STUDIO}/classes/<uuid:class_id>/progress/", views.class_progress, name="class_progress"),
    path(f"{STUDIO}/classes/<uuid:class_id>/give-up/", views.give_up, name="give_up"),
    path(f"{STUDIO}/classes/<uuid:class_id>/roster/", roster_views.roster, name="roster"),
    path(f"{STUDIO}/classes/<uuid:class_id>/roster/file/", roster_views.roster_file, name="roster_file"),
]
