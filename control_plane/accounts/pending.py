"""Data of visitors who are not signed in: kept in the cache until it expires, and a bounded number of each kind.

As rows they would grow without limit, for anybody can make them. Where too many are kept the oldest is forgotten: whoever
it belonged to starts anew.
"""

from django.core.cache import cache

PREFIX = "threedance:pending"


class Pending:
    """Texts of one kind by name, such as the session of somebody on the way to a provider.

    Args:
        kind: part of the keys.
        most: how many are kept. Together with `largest_chars` it bounds the memory of the cache.
        largest_chars: of one text.
        lifetime_s: how long one is kept at most.
    """

    def __init__(self, kind: str, *, most: int, largest_chars: int, lifetime_s: int) -> None:
        self._kind = kind
        self._most = most
        self._largest_chars = largest_chars
        self._lifetime_s = lifetime_s

    def keep(self, name: str, text: str, *, lifetime_s: int | None = None) -> None:
        """Keeps `text` under `name`, in place of what was there.

        Raises:
            ValueError: it is too long.
        """
        if len(text) > self._largest_chars:
            raise ValueError(f"it has over {self._largest_chars} characters")
        lifetime_s = min(lifetime_s or self._lifetime_s, self._lifetime_s)
        key = self._key(name)
        if cache.add(key, text, timeout=lifetime_s):
            self._make_room(name)
        else:
            cache.set(key, text, timeout=lifetime_s)

    def get(self, name: str) -> str | None:
        """Returns what is kept under `name`."""
        found: str | None = cache.get(self._key(name))
        return found

    def forget(self, name: str) -> bool:
        """Forgets what is kept under `name`; returns whether there was anything."""
        return bool(cache.delete(self._key(name)))

    def _make_room(self, name: str) -> None:
        """Takes the next of `most` places, and forgets who had it."""
        counter = f"{PREFIX}:{self._kind}:next"
        cache.add(counter, 0, timeout=None)
        place = f"{PREFIX}:{self._kind}:place:{cache.incr(counter) % self._most}"
        before = cache.get(place)
        cache.set(place, name, timeout=self._lifetime_s)
        if before is not None:
            self.forget(before)

    def _key(self, name: str) -> str:
        return f"{PREFIX}:{self._kind}:of:{name}"
