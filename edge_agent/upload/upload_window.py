"""Whether segments may go now: by the upload window, the server's time, and how full the buffer is.

Gaps, receipts, heartbeats and configurations pass at any time: they are small, and the studio wants to know.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import UNSET, UnsetType

from edge_agent.async_wait import Signal, Sleep, wait_for_any
from shared.protocol.config import UploadWindow
from shared.protocol.status import UploadStatus, WindowState

log = logging.getLogger(__name__)

OVERRULE_AT = 0.8
"""Of the buffer: with so much of it waiting, segments go whatever the window says. Nothing is lost for a window's sake."""
OBEY_BELOW = 0.7
"""So much may wait when the window is obeyed again: lower, or each segment would open and close it."""
LOOK_S = 30.0
SOONEST_S = 0.05


class WindowGate:
    """The upload window in force. Used from one event loop.

    `now` returns the control plane's time, None until it is known; `backlog_ratio` the share of the buffer that waits for
    its upload, 0 to 1.

    Without a time everything goes: the box's own clock may be years off, and the first answer of the control plane tells
    the time, so what goes is one question where to send.
    """

    def __init__(
        self, now: Callable[[], datetime | None], backlog_ratio: Callable[[], float], *, sleep: Sleep
    ) -> None:
        self._now = now
        self._backlog_ratio = backlog_ratio
        self._sleep = sleep
        self._policy: UploadWindow | UnsetType = UNSET
        self._window: DailyWindow | None = None
        self._overruled = False
        self._policy_changed = Signal()

    def set_window(self, policy: UploadWindow | UnsetType) -> None:
        """Takes another window, or none. One in a time zone that this box does not know keeps nothing back."""
        self._policy, self._window, self._overruled = policy, None, False
        if isinstance(policy, UploadWindow):
            try:
                self._window = DailyWindow(policy)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                log.error("the upload window is of no use: install tzdata", extra={"error": str(error)})
        self._policy_changed.fire()

    def state(self) -> WindowState:
        """Returns how it stands now."""
        if self._policy is UNSET:
            return WindowState.ANY_TIME
        now_at = self._now()
        if self._window is None or now_at is None:
            return WindowState.UNUSABLE
        if self._window.is_open(now_at):
            self._overruled = False
            return WindowState.OPEN
        self._overruled = self._backlog_ratio() >= (OBEY_BELOW if self._overruled else OVERRULE_AT)
        return WindowState.OVERRULED if self._overruled else WindowState.WAITS

    @property
    def is_open(self) -> bool:
        """Whether segments may go."""
        return self.state() is not WindowState.WAITS

    def with_window(self, status: UploadStatus) -> UploadStatus:
        """Returns `status` with how the window stands in it."""
        return msgspec.structs.replace(status, window=self.state(), opens_at=self._opens_at())

    async def watch(self, opened: Callable[[], None]) -> None:
        """Calls `opened` whenever segments may go that might not before, until cancelled."""
        before = self.state()
        while True:
            news = self._policy_changed.next()
            state = self.state()
            if state is not before:
                level = logging.WARNING if state is WindowState.OVERRULED else logging.INFO
                log.log(level, "the upload window has another state", extra={"state": state.value})
                if before is WindowState.WAITS:
                    opened()
                before = state
            await wait_for_any(news, most_s=self._next_check_s(), sleep=self._sleep)

    def _opens_at(self) -> datetime | None:
        now_at = self._now()
        if self._window is None or now_at is None or self._window.is_open(now_at):
            return None
        return self._window.opens_after(now_at)

    def _next_check_s(self) -> float:
        now_at, opens_at = self._now(), self._opens_at()
        if now_at is None or opens_at is None:
            return LOOK_S
        return min(LOOK_S, max(SOONEST_S, (opens_at - now_at).total_seconds()))


DAY = timedelta(days=1)
STEPS_MOST = 8
"""A day has one change of its offset at most; more are for zones that nobody has thought of yet."""


class DailyWindow:
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
