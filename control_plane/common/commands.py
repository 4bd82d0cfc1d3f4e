"""How a management command of ours refuses. `control_plane.config.commands` prints it: `error:` and `what to do:`."""

from django.core.management.base import CommandError


class Refused(CommandError):
    """A command cannot do what was asked; `hint` says what the person who called it can do."""

    def __init__(self, message: str, *, hint: str, returncode: int = 1) -> None:
        super().__init__(message, returncode=returncode)
        self.hint = hint
