"""The admin site: its access check, and the apps and tables on its index."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.views.decorators.http import require_http_methods

_ORDER = (
    "tenancy",
    "access",
    "people",
    "data_requests",
    "identity",
    "keys",
    "storage",
    "plans",
    "fleet",
    "recordings",
    "integrity",
    "accounts",
    "ingest",
    "audit",
    "compliance",
)
_NAMES = {
    "tenancy": "Studio",
    "access": "Access",
    "people": "Dancers and guardians",
    "data_requests": "Requests about data",
    "identity": "Sign-in",
    "keys": "Keys",
    "storage": "Storage",
    "plans": "Plan",
    "fleet": "Agents and cameras",
    "recordings": "Classes and footage",
    "integrity": "Integrity scans",
    "accounts": "People",
    "ingest": "Uploads",
    "audit": "Audit log",
    "compliance": "Anomaly alerts",
}
_ROWS = {
    "Alert notices": "Alert mails",
    "Appearances": "Class rosters",
    "Break-glass": "Break-glass access",
    "Chain heads": "Head of the audit log",
    "Desired configs": "Desired configurations",
    "Entries": "Audit events",
    "Group roles": "Roles of identity provider groups",
    "Key tombstones": "Destroyed keys",
    "Known networks": "Known networks of readers",
    "Memberships": "Members and their roles",
    "Migration failures": "Objects that could not be migrated",
    "Object deletions": "Deletion queue",
    "Object permissions": "Grants and denials",
    "Provided memberships": "Members from identity providers",
    "Reported configs": "Reported configurations",
    "Role permissions": "Customized roles",
    "Signin policys": "Sign-in policy",
    "Studio storages": "Location of new footage",
    "Anomaly cursors": "Progress of the anomaly rules",
    "Anomaly thresholds": "Thresholds of the anomaly rules",
}
"""Titles of tables whose model name is not a good title."""


class ConsoleSite(AdminSite):
    """The admin site of one studio; only its admins may open it."""

    site_header = "3Dance"
    site_title = "3Dance administration"
    index_title = "Administration"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Returns whether the user is an admin of a studio: only then `identity.middleware` sets `request.studio`."""
        return bool(request.user.is_active) and getattr(request, "studio", None) is not None

    def get_urls(self) -> list[Any]:
        """Returns the URLs of the site, without unused ones of Django.

        `view_on_site` redirects from any row of any table to the page of the row. `autocomplete` searches the model behind
        any relation of any installed model, without an audit event.
        """
        unused = {"view_on_site", "autocomplete"}
        return [url for url in super().get_urls() if getattr(url, "name", "") not in unused]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Returns the view of Django's site, limited to the methods that a browser sends."""
        return require_http_methods(["GET", "HEAD", "POST"])(super().admin_view(view, cacheable))

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Ignores the models of libraries: their pages are not limited to one studio, and some show keys and secrets."""
        models = [model_or_iterable] if isinstance(model_or_iterable, type) else list(model_or_iterable)
        ours = [model for model in models if model.__module__.startswith("control_plane.")]
        super().register(ours, admin_class, **options)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Returns the apps in order of use, and the tables of each app by title."""
        apps: list[Any] = super().get_app_list(request, app_label)
        for app in apps:
            app["name"] = _NAMES.get(app["app_label"], app["name"])
            for row in app["models"]:
                row["name"] = _ROWS.get(row["name"], row["name"])
            app["models"].sort(key=lambda row: row["name"])
        return sorted(
            apps,
            key=lambda app: _ORDER.index(app["app_label"]) if app["app_label"] in _ORDER else len(_ORDER),
        )

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Adds the studio to the context."""
        return super().each_context(request) | {"studio": getattr(request, "studio", None)}
