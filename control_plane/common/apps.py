"""Registers the app, its migrations and its checks."""

from django.apps import AppConfig
from django.core.checks import Tags, register

from control_plane.common.checks import check_read_only, check_row_security


class CommonConfig(AppConfig):
    """Holds the grants that all later tables inherit."""

    name = "control_plane.common"
    label = "common"

    def ready(self) -> None:
        """Registers the checks of row security and of the application role's privileges."""
        register(check_row_security, Tags.database)
        register(check_read_only, Tags.database)
