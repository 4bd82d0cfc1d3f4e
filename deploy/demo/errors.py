"""Errors of the demo."""

from pathlib import Path

TAIL_LINES = 12


class DemoError(Exception):
    """A step failed. `hint` tells what to do, `log` is the file with the details."""

    def __init__(self, message: str, hint: str = "", log: Path | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.log = log

    def lines(self) -> list[str]:
        """Returns the lines to print, with the end of the log."""
        lines = [f"error: {self}"]
        if self.hint:
            lines.append(f"what to do: {self.hint}")
        if self.log:
            lines.append(f"log file: {self.log}")
            lines += [f"    {line}" for line in tail(self.log)]
        return lines


def tail(log: Path, lines: int = TAIL_LINES) -> list[str]:
    """Returns the last lines of a log; none if there is no such file."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]
