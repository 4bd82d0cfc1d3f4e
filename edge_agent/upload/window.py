"""When the upload window is open: pure, by the clock on the wall of the studio.

An instant is in the window where that clock, at that instant, shows a time in it. So nothing is said of summer time here:
an hour that the wall skips is in no window, one that it shows twice is in the window twice.
"""

from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from shared.protocol.config import UploadWindow

DAY = timedelta(days=1)
STEPS_MOST = 8
"""A day has one change of its offset at most; more are for zones that nobody has thought of yet."""


class Window:
    """One window. All instants are aware."""

    def __init__(self, policy: UploadWindow) -> None:
        """Raises:
        ZoneInfoNotFoundError, ValueError, OSError: this machine knows no such time zone.
        """
        self._opens = time.fromisoformat(policy.opens)
        self._closes = time.fromisoformat(policy.closes)
        self._zone = ZoneInfo(policy.time_zone)

    def is_open(self, at: datetime) -> bool:
        """Returns whether `at` is in it."""
        wall = at.astimezone(self._zone).time()
        if self._opens < self._closes:
            return self._opens <= wall < self._closes
        return wall >= self._opens or wall < self._closes

    def opens_after(self, at: datetime) -> datetime:
        """Returns the first instant from `at` on that is in it, with the offset that the wall has then."""
        at = at.astimezone(UTC)
        for _ in range(STEPS_MOST):
            if self.is_open(at):
                break
            wall = at.astimezone(self._zone).replace(tzinfo=None)
            ahead = (datetime.combine(wall.date(), self._opens) - wall) % DAY
            then = at + ahead
            # By a wall that is set meanwhile this was reckoned wrong: on from the instant at which it is.
            at = then if self._offset(then) == self._offset(at) else self._change(at, then)
        # Not with the zone itself: Python takes two such for different where the wall shows a time twice.
        return at.astimezone(timezone(self._offset(at)))

    def _change(self, before: datetime, after: datetime) -> datetime:
        """Returns the instant between the two, in whole seconds, from which the wall has another offset."""
        low, high, offset = int(before.timestamp()), int(after.timestamp()), self._offset(before)
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(datetime.fromtimestamp(middle, UTC)) == offset:
                low = middle
            else:
                high = middle
        return datetime.fromtimestamp(high, UTC)

    def _offset(self, at: datetime) -> timedelta:
        return at.astimezone(self._zone).utcoffset() or timedelta(0)
