"""Replaces Django's default admin site."""

from django.contrib.admin.apps import AdminConfig


class ConsoleAdminConfig(AdminConfig):
    """`django.contrib.admin` with `ConsoleSite` as its site."""

    default_site = "control_plane.console.site.ConsoleSite"
    default = False
