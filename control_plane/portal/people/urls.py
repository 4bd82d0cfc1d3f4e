"""Addresses of people, invitations and leaving a studio."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.people import invitation_views, leave_views, views

urlpatterns = [
    path("invitation/", invitation_views.invitation_page, name="invitation"),
    path(f"{STUDIO}/people/invitations/", invitation_views.invitations, name="invitations"),
    path(
        f"{STUDIO}/people/invitations/<uuid:invitation_id>/again/",
        invitation_views.invitation_again,
        name="invitation_again",
    ),
    path(
        f"{STUDIO}/people/invitations/<uuid:invitation_id>/revoke/",
        invitation_views.invitation_revoke,
        name="invitation_revoke",
    ),
    path(f"{STUDIO}/leave/", leave_views.leave, name="leave"),
    path(f"{STUDIO}/people/", views.people, name="people"),
    path(f"{STUDIO}/people/suggest/", views.suggest_people, name="suggest_people"),
    path(f"{STUDIO}/people/<uuid:membership_id>/", views.person, name="person"),
    path(f"{STUDIO}/people/<uuid:membership_id>/role/", views.change_role, name="change_role"),
    path(f"{STUDIO}/people/<uuid:membership_id>/end/", views.change_end, name="change_end"),
    path(f"{STUDIO}/people/<uuid:membership_id>/remove/", views.remove_person, name="remove_person"),
    path(f"{STUDIO}/people/<uuid:membership_id>/sign-in-link/", views.make_link, name="make_link"),
    path(f"{STUDIO}/people/<uuid:membership_id>/sessions/end/", views.end_sessions, name="end_sessions"),
]
