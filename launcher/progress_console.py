"""Shows the steps of a start: one line each, animated on a terminal, plain in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape


@dataclass(frozen=True)
class Step:
    """One completed step and its duration."""

    name: str
    seconds: float


class ProgressConsole:
    """Prints steps as they pass and records their durations."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.steps: list[Step] = []

    def note(self, text: str) -> None:
        """Prints a line."""
        self._console.print(f"  {escape(text)}", soft_wrap=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Shows that step `name` runs, then its duration. A step that raises is not recorded."""
        began_s = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(f"{escape(name)} ..."):
                yield
        else:
            self._console.print(f"  {escape(name)} ...", soft_wrap=True)
            yield
        seconds = round(time.monotonic() - began_s, 3)
        self.steps.append(Step(name, seconds))
        if self._console.is_terminal:
            self._console.print(f"  [green]✓[/] {escape(name)}  [dim]{seconds:.1f} s[/]", soft_wrap=True)
