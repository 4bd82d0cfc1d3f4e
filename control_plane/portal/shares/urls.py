"""Addresses of share links."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.shares import list_views, rules_views, views

urlpatterns = [
    path("s/<slug:public_id>", views.link_page, name="link"),
    path(f"{STUDIO}/classes/<uuid:class_id>/share/", views.share, name="share"),
    path(f"{STUDIO}/classes/<uuid:class_id>/share/revoke/", views.revoke_all, name="revoke_links"),
    path(f"{STUDIO}/sharing/", rules_views.rules, name="egress_policy"),
    path(f"{STUDIO}/links/", list_views.links, name="links"),
    path(f"{STUDIO}/links/revoke/", list_views.revoke_listed_links, name="revoke_listed_links"),
    path(f"{STUDIO}/links/<uuid:link_id>/revoke/", views.revoke, name="revoke_link"),
]
