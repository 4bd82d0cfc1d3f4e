"""Output of the command line, the state folder, and how errors are printed."""

import contextlib
import os
import re
import shlex
import stat
import sys
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from edge_agent.errors import AgentError, HomeMissing, NotPaired, StateUnwritable
from shared.kernel.folders import NoHome, state_base
from shared.kernel.terminal import make_printable

EXIT_FAILED, EXIT_REVOKED, EXIT_NOT_PAIRED = 1, 3, 4

_WIDTH_OF_A_FILE = 120

make_printable(sys.stdout)
_is_terminal = sys.stdout is not None and sys.stdout.isatty()
out = Console(highlight=False, width=None if _is_terminal else _WIDTH_OF_A_FILE)
err = Console(stderr=True, highlight=False)


def default_state() -> Path:
    """Returns the default state folder.

    Raises:
        HomeMissing: this user has no home, as often in a container.
    """
    try:
        return state_base() / "threedance-agent"
    except NoHome as error:
        raise HomeMissing from error


def in_state(hint: str, state: Path) -> str:
    """Adds `--state` to a hint that is, or ends with, a command of ours, so that it works on `state`."""
    if not re.search(r"(^|: )threedance-agent ", hint):
        return hint
    with contextlib.suppress(HomeMissing):
        if state == default_state():
            return hint
    return f"{hint} --state {shlex.quote(str(state))}"


def checked_state(state: Path) -> Path:
    """Returns the state folder of a command.

    Raises:
        StateUnwritable: the path exists and is not a folder, or cannot be looked up.
    """
    try:
        is_folder = stat.S_ISDIR(state.stat().st_mode)
    except FileNotFoundError:
        return state
    except OSError as error:
        raise StateUnwritable(str(state), error.strerror or str(error)) from error
    if not is_folder:
        raise StateUnwritable(str(state), "it is not a folder")
    return state


def print_error(error: AgentError) -> None:
    """Prints what is wrong, and what to do about it."""
    err.print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
    if error.hint:
        err.print(Text.assemble(("  what to do: ", "bold"), error.hint), soft_wrap=True)


def print_note(text: str) -> None:
    """Prints a note."""
    out.print(Text.assemble(("note: ", "bold yellow"), text), soft_wrap=True)


def exit_with(error: AgentError) -> NoReturn:
    """Prints an error and its hint, and ends the program; with `THREEDANCE_DEBUG` set, raises it with its trace."""
    if os.environ.get("THREEDANCE_DEBUG"):
        raise error
    print_error(error)
    sys.exit(EXIT_NOT_PAIRED if isinstance(error, NotPaired) else EXIT_FAILED)
