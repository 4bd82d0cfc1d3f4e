"""Errors of management commands. `control_plane.config.commands` prints them as `error:` and `what to do:`."""

from django.core.management.base import CommandError


class Refused(CommandError):
    """A command cannot do what was requested; `hint` tells the user what to do."""

    def __init__(self, message: str, *, hint: str, returncode: int = 1) -> None:
        super().__init__(message, returncode=returncode)
        self.hint = hint
