"""Registers the app, its migrations and its checks."""

from django.apps import AppConfig
from django.core.checks import Tags, register

from control_plane.common.checks import check_read_only, check_row_security


class CommonConfig(AppConfig):
    """Holds the grants that every later table inherits."""

    name = "control_plane.common"
    label = "common"

    def ready(self) -> None:
        """Registers the checks of what the application's role may see and change."""
        register(check_row_security, Tags.database)
        register(check_read_only, Tags.database)
