"""Registers the app, its migrations and its checks."""

from django.apps import AppConfig
from django.core.checks import Tags, register

from control_plane.common.checks import check_row_security


class CommonConfig(AppConfig):
    """Holds the grants that every later table inherits."""

    name = "control_plane.common"
    label = "common"

    def ready(self) -> None:
        """Registers the check that every tenant table is behind row security."""
        register(check_row_security, Tags.database)
