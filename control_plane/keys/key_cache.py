"""Short-lived cache of unwrapped studio keys: playback needs them hundreds of times a second, a KMS is asked once.

Cache keys include the wrapped bytes, so a destroyed or re-wrapped row is a miss. Key shares are never cached. Entries
are few and short-lived, and are overwritten before they are dropped.

Lock order: a stripe, then `_lock`. Only a stripe is held during a call to the root key's holder.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from control_plane.keys.errors import KeysUnavailable

LIFETIME_S = 5.0
UNAVAILABLE_S = 2.0
"""How long an unavailable holder is not called again."""
PROBE_S = 30.0
"""How long the one caller that probes the holder may take, while all others fail at once."""
MAX_ENTRIES = 256
STRIPES = 32


class KeyCache:
    """Thread-safe. Of the threads that miss the same key, one calls the holder and the others wait for its result.

    While a holder is unavailable, one thread probes it and the others fail at once; otherwise each viewer would wait in
    turn. A timer empties an idle cache. After a fork the timer is gone, and expiry alone bounds the lifetime.
    """

    def __init__(self, *, lifetime_s: float = LIFETIME_S, now: Callable[[], float] = time.monotonic) -> None:
        self._lifetime_s, self._now = lifetime_s, now
        self._lock = threading.Lock()
        self._stripes = tuple(threading.Lock() for _ in range(STRIPES))
        self._entries: OrderedDict[bytes, tuple[float, bytearray]] = OrderedDict()
        self._timer: threading.Timer | None = None
        self._unavailable: dict[str, tuple[float, str]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, root_key_id: str, wrapped: bytes, unwrap: Callable[[], bytes]) -> bytes:
        """Returns the cached secret of `wrapped`, or calls `unwrap`, at most once per lifetime.

        Raises:
            KeysUnavailable: the holder of `root_key_id` does not answer, or did not within the last `UNAVAILABLE_S`.
        """
        name = hashlib.sha256(root_key_id.encode() + b"\0" + wrapped).digest()
        found = self._find(name)
        if found is None:
            self._fail_while_unavailable(root_key_id, probing=False)
            with self._stripes[name[0] % STRIPES]:
                found = self._find(name)
                if found is None:
                    found = self._unwrap(root_key_id, unwrap)
                    self._store(name, found)
        return found

    def forget(self) -> None:
        """Overwrites and drops everything."""
        with self._lock:
            while self._entries:
                self._wipe(next(iter(self._entries)))

    def _unwrap(self, root_key_id: str, unwrap: Callable[[], bytes]) -> bytes:
        self._fail_while_unavailable(root_key_id, probing=True)
        try:
            found = unwrap()
        except KeysUnavailable as error:
            with self._lock:
                self._unavailable[root_key_id] = (self._now() + UNAVAILABLE_S, error.detail)
            raise
        except Exception:
            self._mark_available(root_key_id)
            raise
        self._mark_available(root_key_id)
        return found

    def _fail_while_unavailable(self, root_key_id: str, *, probing: bool) -> None:
        with self._lock:
            until, detail = self._unavailable.get(root_key_id, (0.0, ""))
            if until > self._now():
                raise KeysUnavailable(detail)
            if probing and until:
                self._unavailable[root_key_id] = (self._now() + PROBE_S, detail)

    def _mark_available(self, root_key_id: str) -> None:
        with self._lock:
            self._unavailable.pop(root_key_id, None)

    def _find(self, name: bytes) -> bytes | None:
        with self._lock:
            self._expire()
            entry = self._entries.get(name)
            return bytes(entry[1]) if entry else None

    def _store(self, name: bytes, secret: bytes) -> None:
        with self._lock:
            self._entries[name] = (self._now() + self._lifetime_s, bytearray(secret))
            while len(self._entries) > MAX_ENTRIES:
                self._wipe(next(iter(self._entries)))
            if self._timer is None or not self._timer.is_alive():
                self._timer = threading.Timer(self._lifetime_s, self._sweep)
                self._timer.daemon = True
                self._timer.start()

    def _sweep(self) -> None:
        with self._lock:
            self._expire()
            self._timer = None
            if self._entries:
                self._timer = threading.Timer(self._lifetime_s, self._sweep)
                self._timer.daemon = True
                self._timer.start()

    def _expire(self) -> None:
        # All entries have the same lifetime, so the oldest is the first to expire.
        while self._entries:
            name, (until, _) = next(iter(self._entries.items()))
            if until > self._now():
                return
            self._wipe(name)

    def _wipe(self, name: bytes) -> None:
        _, secret = self._entries.pop(name)
        for index in range(len(secret)):
            secret[index] = 0
