"""Addresses of dancers and guardians."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.dancers import guardian_views, views

urlpatterns = [
    path(f"{STUDIO}/dancers/", views.dancer_list, name="dancers"),
    path(f"{STUDIO}/dancers/add/", views.add_dancer, name="add_dancer"),
    path(f"{STUDIO}/dancers/import/", views.import_dancers, name="import_dancers"),
    path(f"{STUDIO}/dancers/<uuid:dancer_id>/", views.dancer_page, name="dancer"),
    path(f"{STUDIO}/dancers/<uuid:dancer_id>/left/", views.dancer_left, name="dancer_left"),
    path(f"{STUDIO}/dancers/<uuid:dancer_id>/guardians/", views.add_guardian, name="add_guardian"),
    path(
        f"{STUDIO}/dancers/<uuid:dancer_id>/guardians/invite/",
        guardian_views.invite,
        name="invite_guardian",
    ),
    path(
        f"{STUDIO}/dancers/<uuid:dancer_id>/guardians/invited/<uuid:guardian_invitation_id>/",
        guardian_views.decide,
        name="decide_guardian",
    ),
    path(
        f"{STUDIO}/dancers/<uuid:dancer_id>/guardians/<uuid:guardianship_id>/end/",
        views.end_guardian,
        name="end_guardian",
    ),
]
