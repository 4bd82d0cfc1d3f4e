"""Addresses of sign-in settings and identity providers."""

from django.urls import path

from control_plane.portal.addresses import STUDIO
from control_plane.portal.signin import views

urlpatterns = [
    path("sign-in/", views.find_provider, name="find_provider"),
    path("sign-in/<uuid:provider_id>/", views.provider_sign_in, name="provider_sign_in"),
    path(f"{STUDIO}/sign-in/", views.sign_in_settings, name="sign_in"),
    path(f"{STUDIO}/sign-in/add/<slug:kind>/", views.new_provider, name="new_provider"),
    path(f"{STUDIO}/sign-in/<uuid:provider_id>/", views.provider_page, name="provider"),
    path(f"{STUDIO}/sign-in/<uuid:provider_id>/remove/", views.provider_remove, name="provider_remove"),
    path(
        f"{STUDIO}/sign-in/<uuid:provider_id>/domains/",
        views.prove_provider_domain,
        name="prove_provider_domain",
    ),
]
