"""The keys whose releases an agent accepts."""

import os
from dataclasses import dataclass
from pathlib import Path

TRUST_VARIABLE = "THREEDANCE_AGENT_TRUST"


@dataclass(frozen=True)
class Trust:
    """Part of the installed package: the keys that it trusts, and the kind of package for this machine."""

    root: bytes
    platform: str
    """Kind of machine and Python, such as `amd64/python3.11`."""

    @classmethod
    def of_this_package(cls) -> "Trust | None":
        """Returns the trust from the folder that the package's launcher names; None if the package has no keys."""
        folder = os.environ.get(TRUST_VARIABLE)
        if not folder:
            return None
        try:
            root = (Path(folder) / "root.json").read_bytes()
            return cls(root, (Path(folder) / "platform").read_text().strip())
        except FileNotFoundError:
            return None
