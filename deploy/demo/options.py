"""What the demonstration is asked for."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What the demonstration was asked for.

    Attributes:
        state: The folder that holds everything it keeps.
        cameras: Addresses of real cameras by position; empty: the rendered ones.
        seconds: How long to record.
        exit_after: Stop everything when the class can be replayed.
        report: Where to write what happened, as JSON.
        port: The port of the control plane, the next free one where it is taken; None: that of the last run.
        patience_s: How long the cameras may take to connect.
    """

    state: Path
    cameras: dict[str, str] = field(default_factory=dict)
    seconds: float = 30.0
    exit_after: bool = False
    report: Path | None = None
    port: int | None = None
    patience_s: float = 120.0
