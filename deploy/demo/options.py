"""The options of the demo."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The options of one run.

    Attributes:
        state: The folder for all data.
        cameras: Addresses of real cameras by position; empty: the rendered ones.
        seconds: How long to record.
        exit_after: Whether to stop everything as soon as the class can be replayed.
        report: The file for a report as JSON.
        port: The port of the control plane, the next free one if it is taken; None: that of the last run.
        patience_s: How long the cameras may take to connect.
    """

    state: Path
    cameras: dict[str, str] = field(default_factory=dict)
    seconds: float = 30.0
    exit_after: bool = False
    report: Path | None = None
    port: int | None = None
    patience_s: float = 120.0
