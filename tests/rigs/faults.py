"""Faults of the control plane rig, and their answers."""

from dataclasses import dataclass, field

from shared.protocol.errors import Code, problem
from shared.protocol.ids import SegmentId


@dataclass
class Faults:
    """Faults from now on; a test sets and clears them."""

    unavailable: bool = False
    """Every endpoint answers 503, and websockets are refused."""
    store_unavailable: bool = False
    """A PUT answers 503."""
    cut_puts: int = 0
    """So many PUTs are cut in the middle of their body."""
    expired_targets: int = 0
    """So many PUTs are told that their address has expired."""
    lost_commit_answers: int = 0
    """So many commits are done, and their answer is lost."""
    refuse: dict[SegmentId, tuple[Code, bool]] = field(default_factory=dict)
    """Segments refused at intent, with the code and whether it is retryable."""
    link_closed: bool = False
    """Websockets are refused while HTTP works."""
    plain_401: bool = False
    """Every signed call gets a 401 without a signed reason."""


class Refusal(Exception):  # an answer, not an error
    """Answers the request with a problem."""

    def __init__(self, code: Code, detail: str = "", revocation: str = "") -> None:
        self.problem = problem(code, detail, revocation=revocation)
