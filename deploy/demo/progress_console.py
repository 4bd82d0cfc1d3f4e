"""Shows the progress of the demo: bars on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

PLAIN_EVERY_S = 5.0


@dataclass(frozen=True)
class StepTime:
    """The duration of one step."""

    name: str
    seconds: float


class ProgressConsole:
    """Shows steps as they pass and records their durations."""

    def __init__(self) -> None:
        self.steps: list[StepTime] = []
        self.console = Console(highlight=False, soft_wrap=True)
        self._began_s = time.monotonic()
        self._printed_s = 0.0
        self._printed = ""
        self._progress: Progress | None = None

    def elapsed_s(self) -> float:
        """Returns the time since the start."""
        return time.monotonic() - self._began_s

    def say(self, text: str = "", style: str | None = None) -> None:
        """Prints a line."""
        self.console.print(text, style=style, markup=False)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Shows a step as running, then as completed."""
        began_s = time.monotonic()
        self._printed, self._printed_s = "", began_s
        if sys.stdout.isatty():
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("[dim]{task.fields[detail]}"),
                TimeElapsedColumn(),
            )
            with Progress(*columns, console=self.console, transient=True) as progress:
                progress.add_task(name, total=None, detail="")
                self._progress = progress
                try:
                    yield
                finally:
                    self._progress = None
        else:
            self.say(f"... {name}")
            yield
        seconds = time.monotonic() - began_s
        self.steps.append(StepTime(name, round(seconds, 2)))
        self.console.print(f"[green]✓[/] {name} [dim]{seconds:.1f} s[/]")

    def update(self, detail: str, part: float | None = None) -> None:
        """Shows the progress of the running step. `part`: the completed share, 0 to 1; None if it is unknown."""
        if self._progress is not None:
            task = self._progress.task_ids[0]
            if part is None:
                self._progress.update(task, detail=detail)
            else:
                self._progress.update(task, detail=detail, total=1.0, completed=part)
            return
        now_s = time.monotonic()
        if detail != self._printed and now_s - self._printed_s >= PLAIN_EVERY_S:
            self._printed, self._printed_s = detail, now_s
            self.say(f"    {detail}")
