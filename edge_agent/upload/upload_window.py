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
"""Share of the buffer: above it segments are sent outside the window too, so that the window loses no footage."""
OBEY_BELOW = 0.7
"""The window applies again below this share. Lower than `OVERRULE_AT`, or the gate would toggle with each segment."""
LOOK_S = 30.0
SOONEST_S = 0.05


class WindowGate:
    """The upload window in force. Used from one event loop.

    `now` returns the control plane's time, None until it is known; `backlog_ratio` the share of the buffer that waits for
    its upload, 0 to 1.

    Without a time the gate is open: the agent's own clock may be years off. The first answer of the control plane brings the
    time, so at most one intent is sent outside the window.
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
        """Sets the window, or none. A window in a time zone unknown to this machine holds nothing back."""
        self._policy, self._window, self._overruled = policy, None, False
        if isinstance(policy, UploadWindow):
            try:
                self._window = DailyWindow(policy)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                log.error("the upload window cannot be used: install tzdata", extra={"error": str(error)})
        self._policy_changed.fire()

    def state(self) -> WindowState:
        """Returns the state of the window now."""
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
        """Whether segments may be sent."""
        return self.state() is not WindowState.WAITS

    def with_window(self, status: UploadStatus) -> UploadStatus:
        """Returns `status` with the state of the window added."""
        return msgspec.structs.replace(status, window=self.state(), opens_at=self._opens_at())

    async def watch(self, opened: Callable[[], None]) -> None:
        """Calls `opened` each time the gate opens, until cancelled."""
        before = self.state()
        while True:
            news = self._policy_changed.next()
            state = self.state()
            if state is not before:
                level = logging.WARNING if state is WindowState.OVERRULED else logging.INFO
                log.log(level, "the upload window changed its state", extra={"state": state.value})
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
"""A day has at most one change of its UTC offset; the rest is reserve for unusual time zones."""


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
        """Returns whether the window is open at `at`."""
        wall = at.astimezone(self._zone).time()
        if self._opens < self._closes:
            return self._opens <= wall < self._closes
        return wall >= self._opens or wall < self._closes

    def opens_after(self, at: datetime) -> datetime:
        """Returns the first instant from `at` on at which the window is open, with the local UTC offset of that instant."""
        at = at.astimezone(UTC)
        for _ in range(STEPS_MOST):
            if self.is_open(at):
                break
            wall = at.astimezone(self._zone).replace(tzinfo=None)
            ahead = (datetime.combine(wall.date(), self._opens) - wall) % DAY
            then = at + ahead
            # If the offset changes in between, the local arithmetic is wrong: restart at the instant of the change.
            at = then if self._offset(then) == self._offset(at) else self._change(at, then)
        # A fixed offset, because Python compares zone-aware times within a repeated hour as unequal.
        return at.astimezone(timezone(self._offset(at)))

    def _change(self, before: datetime, after: datetime) -> datetime:
        """Returns the instant, in whole seconds, at which the UTC offset changes between the two; by bisection."""
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
