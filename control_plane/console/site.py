"""The site itself: who may enter, and what its index lists."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.views.decorators.http import require_http_methods

_ORDER = (
    "tenancy",
    "access",
    "people",
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
    "identity": "Sign in",
    "keys": "Keys",
    "storage": "Storage",
    "plans": "Plan",
    "fleet": "Agents and cameras",
    "recordings": "Classes and footage",
    "integrity": "Integrity scans",
    "accounts": "People",
    "ingest": "Uploads",
    "audit": "Audit",
    "compliance": "Alerts on reads",
}
_ROWS = {
    "Appearances": "Who was in which class",
    "Break-glass": "Support visits",
    "Object deletions": "Objects to be deleted",
    "Group roles": "Groups of identity providers",
    "Guardianships": "Who answers for whom",
    "Key tombstones": "What was destroyed",
    "Memberships": "People and their roles",
    "Monthly uses": "Use by month",
    "Migration failures": "Objects that could not be moved",
    "Object rights": "Rights on single things",
    "Provided memberships": "People by identity provider",
    "Role actions": "Changes of the role table",
    "Signin policys": "Sign-in rules",
    "Store migrations": "Moves of footage",
    "Store probes": "Tries of stores",
    "Studio storages": "Where footage goes",
    "Alert notices": "Mails about alerts",
    "Alert acknowledgements": "Alerts looked into",
    "Watch cursors": "How far reads are watched",
    "Known networks": "Networks people read from",
    "Chain heads": "End of the log",
    "Desired configs": "Configuration wanted",
    "Reported configs": "Configuration in force",
}
"""Tables in the words of a studio's owner, where the name in the code is none."""


class ConsoleSite(AdminSite):
    """The admin site of one studio: entered by those whose membership in it is that of an admin."""

    site_header = "3Dance"
    site_title = "3Dance administration"
    index_title = "Administration"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Returns whether the person administers a studio; `identity.middleware` has opened it then."""
        return bool(request.user.is_active) and getattr(request, "studio", None) is not None

    def get_urls(self) -> list[Any]:
        """Return the site's addresses, without those of Django's that no page of ours uses.

        `view_on_site` leads from any row of any table to the row's own page. `autocomplete` searches the model behind
        any relation of any installed model, and leaves no audit event.
        """
        unused = {"view_on_site", "autocomplete"}
        return [url for url in super().get_urls() if getattr(url, "name", "") not in unused]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Returns the view as Django's site makes it, for the methods that a browser sends."""
        return require_http_methods(["GET", "HEAD", "POST"])(super().admin_view(view, cacheable))

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Leaves out what libraries register: their pages know no studio, and some show keys and secrets."""
        models = [model_or_iterable] if isinstance(model_or_iterable, type) else list(model_or_iterable)
        ours = [model for model in models if model.__module__.startswith("control_plane.")]
        super().register(ours, admin_class, **options)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Returns the apps in the order of daily work, and their tables by name."""
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
        """Adds the studio that is shown."""
        return super().each_context(request) | {"studio": getattr(request, "studio", None)}
