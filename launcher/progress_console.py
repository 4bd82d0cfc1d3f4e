"""What the supervisor shows: a line for each step, moving on a terminal, plain in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape


@dataclass(frozen=True)
class Step:
    """One thing that was done, and how long it took."""

    name: str
    seconds: float


class Screen:
    """Shows steps as they pass and keeps their times."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.steps: list[Step] = []

    def note(self, text: str) -> None:
        """Shows a line of its own."""
        self._console.print(f"  {escape(text)}", soft_wrap=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Shows that `name` is being done, and how long it took once it is; a step that fails is not counted."""
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
