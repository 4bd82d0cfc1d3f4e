"""A bounded cache of recent results, so that finished work is not repeated."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class ResultCache(Generic[T]):
    """Results of the last `for_s` seconds by key. Drops the oldest when it is full. Thread-safe."""

    def __init__(self, *, most: int, for_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._for_s, self._now = most, for_s, now
        self._kept: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        """Returns the cached value, or None."""
        with self._lock:
            at_s, value = self._kept.get(key, (float("-inf"), None))
            return value if self._now() - at_s <= self._for_s else None

    def put(self, key: Hashable, value: T) -> None:
        """Stores a value; its lifetime starts now."""
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = self._now(), value
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        """Removes a value."""
        with self._lock:
            self._kept.pop(key, None)
