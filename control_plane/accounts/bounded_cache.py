"""Cache of a bounded number of texts, for visitors who are not signed in.

Anyone can create such data, so rows would grow without limit. When the cache is full the oldest text is dropped, and
its visitor starts again.
"""

from django.core.cache import cache

PREFIX = "threedance:pending"


class BoundedCache:
    """Texts of one kind by name, such as the sessions of visitors on the way to a provider.

    Args:
        kind: part of the cache keys.
        most: maximum number of texts. With `largest_chars` it bounds the memory used.
        largest_chars: maximum length of a text.
        lifetime_s: maximum lifetime of a text.
    """

    def __init__(self, kind: str, *, most: int, largest_chars: int, lifetime_s: int) -> None:
        self._kind = kind
        self._most = most
        self._largest_chars = largest_chars
        self._lifetime_s = lifetime_s

    def put(self, name: str, text: str, *, lifetime_s: int | None = None) -> None:
        """Stores `text` under `name`, replacing any other.

        Raises:
            ValueError: the text is too long.
        """
        if len(text) > self._largest_chars:
            raise ValueError(f"the text has more than {self._largest_chars} characters")
        lifetime_s = min(lifetime_s or self._lifetime_s, self._lifetime_s)
        key = self._key(name)
        if cache.add(key, text, timeout=lifetime_s):
            self._evict(name)
        else:
            cache.set(key, text, timeout=lifetime_s)

    def get(self, name: str) -> str | None:
        """Returns the text stored under `name`, or None."""
        found: str | None = cache.get(self._key(name))
        return found

    def delete(self, name: str) -> bool:
        """Deletes the text stored under `name`; returns whether there was one."""
        return bool(cache.delete(self._key(name)))

    def _evict(self, name: str) -> None:
        """Claims the next of `most` slots for `name`, and deletes the text that had it."""
        counter = f"{PREFIX}:{self._kind}:next"
        cache.add(counter, 0, timeout=None)
        place = f"{PREFIX}:{self._kind}:place:{cache.incr(counter) % self._most}"
        before = cache.get(place)
        cache.set(place, name, timeout=self._lifetime_s)
        if before is not None:
            self.delete(before)

    def _key(self, name: str) -> str:
        return f"{PREFIX}:{self._kind}:of:{name}"
