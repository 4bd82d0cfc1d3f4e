"""Exponential back-off with full jitter, reset by a success."""

import random


class Backoff:
    """Waits that grow from `first_s` to `most_s`; each is random below its ceiling.

    Source: "full jitter": a thousand agents that lost one server do not reconnect at the same instant.
    """

    def __init__(self, first_s: float, most_s: float, *, rng: random.Random | None = None) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._rng = rng or random.Random()  # noqa: S311  # jitter, not a secret
        self.failures = 0

    def next_wait_s(self) -> float:
        """Counts a failure and returns the wait before the next try: between half of `first_s` and `most_s` seconds."""
        ceiling_s = min(self._most_s, self._first_s * 2 ** min(self.failures, 30))
        self.failures += 1
        return max(self._first_s / 2, self._rng.uniform(0, ceiling_s))

    def reset(self) -> None:
        """Starts over after a success."""
        self.failures = 0
