"""Unwrapped studio keys, kept for seconds: playback asks hundreds of times a second, a KMS should be asked once.

An entry is found by what was unwrapped, wrapped bytes included, so a row that was destroyed or re-wrapped finds
nothing; what is on the key shelf is never kept. Entries are few, short-lived, and overwritten when they go.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from control_plane.keys.errors import KeysUnavailable

LIFETIME_S = 5.0
AWAY_S = 2.0
"""How long a holder that did not answer is not asked again."""
LOOK_S = 30.0
"""How long one may look whether it is back, while the others are told at once that it is not."""
MOST = 256
STRIPES = 32


class UnwrappedKeys:
    """Used by many threads: one of those that miss the same key asks, the others wait for its answer.

    Where a holder does not answer, one waits for it and the others are refused: else each viewer in turn would wait.
    A timer empties it where nobody asks any more; after a fork the lifetime alone holds.
    """

    def __init__(self, *, lifetime_s: float = LIFETIME_S, now: Callable[[], float] = time.monotonic) -> None:
        self._lifetime_s, self._now = lifetime_s, now
        self._lock = threading.Lock()
        self._stripes = tuple(threading.Lock() for _ in range(STRIPES))
        self._kept: OrderedDict[bytes, tuple[float, bytearray]] = OrderedDict()
        self._timer: threading.Timer | None = None
        self._away: dict[str, tuple[float, str]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, root_key_id: str, wrapped: bytes, unwrap: Callable[[], bytes]) -> bytes:
        """Returns what `unwrap` returns for `wrapped`, asked at most once in a lifetime.

        Raises:
            KeysUnavailable: the holder of `root_key_id` does not answer, or did not a moment ago.
        """
        name = hashlib.sha256(root_key_id.encode() + b"\0" + wrapped).digest()
        found = self._find(name)
        if found is None:
            self._refuse_while_away(root_key_id, looking=False)
            with self._stripes[name[0] % STRIPES]:
                found = self._find(name)
                if found is None:
                    found = self._asked(root_key_id, unwrap)
                    self._keep(name, found)
        return found

    def forget(self) -> None:
        """Overwrites and drops everything."""
        with self._lock:
            while self._kept:
                self._drop(next(iter(self._kept)))

    def _asked(self, root_key_id: str, unwrap: Callable[[], bytes]) -> bytes:
        self._refuse_while_away(root_key_id, looking=True)
        try:
            found = unwrap()
        except KeysUnavailable as error:
            with self._lock:
                self._away[root_key_id] = (self._now() + AWAY_S, error.detail)
            raise
        except Exception:
            self._is_back(root_key_id)
            raise
        self._is_back(root_key_id)
        return found

    def _refuse_while_away(self, root_key_id: str, *, looking: bool) -> None:
        with self._lock:
            until, detail = self._away.get(root_key_id, (0.0, ""))
            if until > self._now():
                raise KeysUnavailable(detail)
            if looking and until:
                self._away[root_key_id] = (self._now() + LOOK_S, detail)

    def _is_back(self, root_key_id: str) -> None:
        with self._lock:
            self._away.pop(root_key_id, None)

    def _find(self, name: bytes) -> bytes | None:
        with self._lock:
            self._expire()
            entry = self._kept.get(name)
            return bytes(entry[1]) if entry else None

    def _keep(self, name: bytes, secret: bytes) -> None:
        with self._lock:
            self._kept[name] = (self._now() + self._lifetime_s, bytearray(secret))
            while len(self._kept) > MOST:
                self._drop(next(iter(self._kept)))
            if self._timer is None or not self._timer.is_alive():
                self._timer = threading.Timer(self._lifetime_s, self._sweep)
                self._timer.daemon = True
                self._timer.start()

    def _sweep(self) -> None:
        with self._lock:
            self._expire()
            self._timer = None
            if self._kept:
                self._timer = threading.Timer(self._lifetime_s, self._sweep)
                self._timer.daemon = True
                self._timer.start()

    def _expire(self) -> None:
        # All live equally long, so the first kept is the first to go.
        while self._kept:
            name, (until, _) = next(iter(self._kept.items()))
            if until > self._now():
                return
            self._drop(name)

    def _drop(self, name: bytes) -> None:
        _, secret = self._kept.pop(name)
        for index in range(len(secret)):
            secret[index] = 0
