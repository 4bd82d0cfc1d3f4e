"""Upload statistics of each class, refreshed after each change of the index and read without touching the disk."""

import logging
import sqlite3
import threading
from datetime import datetime, timedelta

from edge_agent.spool.index import Index
from shared.kernel.logs import FailureLog
from shared.protocol.ids import ClassSessionId
from shared.protocol.upload import TrackTally

log = logging.getLogger(__name__)

ASKED_FOR = timedelta(hours=6)
"""A class that was not requested for this long leaves the statistics."""


class BacklogStats:
    """The statistics of the index as of its last change.

    Whatever changes the index calls `refresh` afterwards, in any thread but the event loop's. Any thread reads `tally` and
    `backlog` without waiting. While the index cannot be read, and for a class that was not counted yet, they report
    something pending: a class must never look uploaded when it is not.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._refresh_lock = threading.Lock()
        self._requested_at: dict[ClassSessionId, datetime] = {}
        self._tallies: dict[ClassSessionId, TrackTally] = {}
        self._is_stale = False
        self._failures = FailureLog(log, "the index cannot be read")
        self.backlog: tuple[int, datetime | None] = (0, None)
        """Number of pending segments, and when the oldest of them was closed."""
        self.refresh()

    def tally(self, class_session_id: ClassSessionId, now_at: datetime) -> TrackTally:
        """Returns how many segments of a class were made and are still to be sent."""
        self._requested_at[class_session_id] = now_at
        known = self._tallies.get(class_session_id)
        if known is not None and not self._is_stale:
            return known
        made = known.segments_made if known else 0
        return TrackTally(
            class_session_id=class_session_id, segments_made=made, segments_pending=1, gaps_pending=0
        )

    def track(self, class_session_id: ClassSessionId, now_at: datetime) -> None:
        """Includes a class in the statistics from now on."""
        self._requested_at[class_session_id] = now_at
        if class_session_id not in self._tallies:
            self.refresh()

    def forget(self, now_at: datetime) -> None:
        """Drops classes that were not requested for `ASKED_FOR`."""
        for class_id, asked_at in tuple(self._requested_at.items()):
            if now_at - asked_at > ASKED_FOR:
                self._requested_at.pop(class_id, None)
                self._tallies.pop(class_id, None)

    def refresh(self) -> None:
        """Counts again. An unreadable index does not raise: it is logged, and the statistics report something pending."""
        # One at a time: an older result must not overwrite a newer one.
        with self._refresh_lock:
            try:
                for class_id in tuple(self._requested_at):
                    self._tallies[class_id] = self._index.tally(class_id)
                self.backlog = self._index.backlog()
            except sqlite3.Error as error:
                self._is_stale = True
                self._failures.failed(reason=str(error))
            else:
                self._is_stale = False
                self._failures.recovered()
