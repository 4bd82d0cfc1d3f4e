"""Addresses of consents."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.consents import child_views, family_views, notice_views, views

urlpatterns = [
    path("consent/", family_views.consent_page, name="consent"),
    path(f"{STUDIO}/children/", family_views.children, name="children"),
    path(f"{STUDIO}/children/<uuid:dancer_id>/", child_views.child, name="child"),
    path(f"{STUDIO}/consents/", views.consents, name="consents"),
    path(f"{STUDIO}/consents/ask/", views.ask, name="ask_consent"),
    path(f"{STUDIO}/consents/notices/", notice_views.notices, name="notices"),
    path(f"{STUDIO}/consents/notices/<uuid:notice_id>/", notice_views.notice, name="notice"),
    path(f"{STUDIO}/dancers/<uuid:dancer_id>/consents/", views.dancer_consents, name="dancer_consents"),
]
