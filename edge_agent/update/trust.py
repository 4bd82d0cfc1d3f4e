"""Whose releases a box believes."""

import os
from dataclasses import dataclass
from pathlib import Path

TRUST_VARIABLE = "THREEDANCE_AGENT_TRUST"


@dataclass(frozen=True)
class Trust:
    """What the installed package brings: the keys it believes, and which kind of package this box takes."""

    root: bytes
    platform: str
    """Kind of machine and Python, such as `amd64/python3.11`."""

    @classmethod
    def of_this_package(cls) -> "Trust | None":
        """Returns what stands in the folder that the package's launcher names; None where it brings no keys."""
        folder = os.environ.get(TRUST_VARIABLE)
        if not folder:
            return None
        try:
            root = (Path(folder) / "root.json").read_bytes()
            return cls(root, (Path(folder) / "platform").read_text().strip())
        except FileNotFoundError:
            return None
