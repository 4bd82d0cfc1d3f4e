"""Whether segments may go now: by the upload window, the server's time, and how full the buffer is.

Gaps, receipts, heartbeats and configurations pass at any time: they are small, and the studio wants to know.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfoNotFoundError

import msgspec
from msgspec import UNSET, UnsetType

from edge_agent.async_wait import Signal, Sleep, wait_for_any
from edge_agent.upload.window import Window
from shared.protocol.config import UploadWindow
from shared.protocol.status import UploadStatus, WindowState

log = logging.getLogger(__name__)

OVERRULE_AT = 0.8
"""Of the buffer: with so much of it waiting, segments go whatever the window says. Nothing is lost for a window's sake."""
OBEY_BELOW = 0.7
"""So much may wait when the window is obeyed again: lower, or each segment would open and close it."""
LOOK_S = 30.0
SOONEST_S = 0.05


class Gate:
    """The upload window in force. Used from one event loop.

    `now` returns the time by the control plane, None before it has told it; `filled` how much of the buffer's room waits
    for its upload, 0 to 1.

    Without a time everything goes: the box's own clock may be years off, and the first answer of the control plane tells
    the time, so what goes is one question where to send.
    """

    def __init__(
        self, now: Callable[[], datetime | None], filled: Callable[[], float], *, sleep: Sleep
    ) -> None:
        self._now = now
        self._filled = filled
        self._sleep = sleep
        self._policy: UploadWindow | UnsetType = UNSET
        self._window: Window | None = None
        self._overruled = False
        self._news = Signal()

    def set_window(self, policy: UploadWindow | UnsetType) -> None:
        """Takes another window, or none. One in a time zone that this box does not know keeps nothing back."""
        self._policy, self._window, self._overruled = policy, None, False
        if isinstance(policy, UploadWindow):
            try:
                self._window = Window(policy)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                log.error("the upload window is of no use: install tzdata", extra={"error": str(error)})
        self._news.give()

    def look(self) -> WindowState:
        """Returns how it stands now."""
        if self._policy is UNSET:
            return WindowState.ANY_TIME
        now_at = self._now()
        if self._window is None or now_at is None:
            return WindowState.UNUSABLE
        if self._window.is_open(now_at):
            self._overruled = False
            return WindowState.OPEN
        self._overruled = self._filled() >= (OBEY_BELOW if self._overruled else OVERRULE_AT)
        return WindowState.OVERRULED if self._overruled else WindowState.WAITS

    @property
    def is_open(self) -> bool:
        """Whether segments may go."""
        return self.look() is not WindowState.WAITS

    def told(self, status: UploadStatus) -> UploadStatus:
        """Returns `status` with how the window stands in it."""
        return msgspec.structs.replace(status, window=self.look(), opens_at=self._opens_at())

    async def follow(self, opened: Callable[[], None]) -> None:
        """Calls `opened` whenever segments may go that might not before, until cancelled."""
        before = self.look()
        while True:
            news = self._news.next()
            state = self.look()
            if state is not before:
                level = logging.WARNING if state is WindowState.OVERRULED else logging.INFO
                log.log(level, "the upload window has another state", extra={"state": state.value})
                if before is WindowState.WAITS:
                    opened()
                before = state
            await wait_for_any(news, most_s=self._next_look_s(), sleep=self._sleep)

    def _opens_at(self) -> datetime | None:
        now_at = self._now()
        if self._window is None or now_at is None or self._window.is_open(now_at):
            return None
        return self._window.opens_after(now_at)

    def _next_look_s(self) -> float:
        now_at, opens_at = self._now(), self._opens_at()
        if now_at is None or opens_at is None:
            return LOOK_S
        return min(LOOK_S, max(SOONEST_S, (opens_at - now_at).total_seconds()))
