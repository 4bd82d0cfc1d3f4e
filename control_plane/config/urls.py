"""All URLs of the control plane."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from control_plane.config.health import live, ready

handler400 = "control_plane.common.problems.bad_request"
handler404 = "control_plane.common.problems.page_not_found"
handler500 = "control_plane.common.problems.server_error"
urlpatterns: list[URLPattern | URLResolver] = [
    path("livez", live, name="livez"),
    path("readyz", ready, name="readyz"),
    path("accounts/", include("control_plane.accounts.urls")),
    path("admin/login/", secure_admin_login(admin.site.login)),  # type: ignore[no-untyped-call]
    path("admin/", admin.site.urls),
    path("api/v1/", include("control_plane.api.urls")),
    path("agent/v1/", include("control_plane.fleet.urls")),
    path("agent/v1/", include("control_plane.ingest.urls")),
    path("", include("control_plane.recordings.urls")),
    path("", include("control_plane.clips.urls")),
    path("", include("control_plane.sharing.urls")),
    path("", include("control_plane.portal.urls")),
]
