"""`python -m control_plane.config.commands COMMAND ...`: Django's management commands, with errors in our format.

All our programs say what is wrong and, if known, what to do:

    error: there is no studio demo
    what to do: ...

Exit codes are those of the command; `--traceback` shows where an error came from.
"""

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.core.management import ManagementUtility
from django.core.management.base import BaseCommand, CommandError

from control_plane.config.env import WrongEnvironment

NAME = "threedance manage"
FAILED = 1


def main(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
    try:
        _Commands([NAME, *arguments]).execute()
    except WrongEnvironment as error:
        print_error(str(error), "The settings are environment variables; docs/guide/operator.md names them.")
        return FAILED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED if end.code else 0
    return 0


def print_error(text: str, hint: str = "") -> None:
    """Writes an error, and the hint if there is one, to standard error."""
    sys.stderr.write(f"error: {text}\n")
    if hint:
        sys.stderr.write(f"what to do: {hint}\n")


class _Commands(ManagementUtility):
    """Django's command line with our error format."""

    def fetch_command(self, subcommand: str) -> BaseCommand:
        """Returns the command with this name."""
        command = super().fetch_command(subcommand)
        command.execute = partial(_execute, command.execute)  # type: ignore[method-assign]
        return command


def _execute(execute: Any, *arguments: Any, **options: Any) -> Any:
    """Runs a command.

    Raises:
        SystemExit: it failed; the error has been written.
        Exception: it failed because of a bug, or a traceback is requested.
    """
    try:
        return execute(*arguments, **options)
    except Exception as error:
        if options.get("traceback") or not (message := _message_and_hint(error)):
            raise
        print_error(*message)
        raise SystemExit(error.returncode if isinstance(error, CommandError) else FAILED) from None


def _message_and_hint(error: Exception) -> tuple[str, str] | None:
    """Returns the message and hint of an expected error; None for a bug."""
    # Imported here, because they need the settings, which may be invalid.
    from control_plane.common.errors import ControlPlaneError
    from control_plane.common.outages import OUTAGES

    if isinstance(error, CommandError):
        return str(error).strip(), getattr(error, "hint", "")
    if isinstance(error, ControlPlaneError):
        problem = error.problem()
        return problem.detail or problem.title, problem.hint
    if isinstance(error, OUTAGES):
        return str(error).strip().splitlines()[0], "`threedance doctor` checks the database and Valkey."
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
