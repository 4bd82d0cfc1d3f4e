"""Every address of the control plane."""

import importlib.util

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from control_plane.config.health import live, ready

urlpatterns: list[URLPattern | URLResolver] = [
    path("livez", live, name="livez"),
    path("readyz", ready, name="readyz"),
    path("accounts/", include("control_plane.accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/login/", secure_admin_login(admin.site.login)),  # type: ignore[no-untyped-call]
    path("admin/", admin.site.urls),
]
for _prefix, _module in (
    ("", "control_plane.portal.urls"),
    ("", "control_plane.recordings.urls"),
    ("agent/v1/", "control_plane.fleet.urls"),
    ("agent/v1/", "control_plane.ingest.urls"),
):
    if importlib.util.find_spec(_module.rsplit(".", 1)[0]) and importlib.util.find_spec(_module):
        urlpatterns.append(path(_prefix, include(_module)))
