"""What of each class is still to be sent, counted after each change and read without the disk."""

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
"""A class that nobody has asked for so long is not counted any more."""


class BacklogStats:
    """The figures of the index as they were after the last change.

    Step by step: whoever has changed the index calls `refresh`, in any thread but the event loop's; `tally` and `backlog`
    are read by anyone and wait for nothing. While the index cannot be read, and of a class that was not counted yet,
    they say that something is still to be sent: nobody must take a class for home that is not.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._refresh_lock = threading.Lock()
        self._requested_at: dict[ClassSessionId, datetime] = {}
        self._tallies: dict[ClassSessionId, TrackTally] = {}
        self._is_stale = False
        self._failures = FailureLog(log, "the index cannot be read")
        self.backlog: tuple[int, datetime | None] = (0, None)
        """How many segments wait, and when the oldest of them was closed."""
        self.refresh()

    def tally(self, class_session_id: ClassSessionId, now_at: datetime) -> TrackTally:
        """Returns what is made of a class and what of it is still to be sent."""
        self._requested_at[class_session_id] = now_at
        known = self._tallies.get(class_session_id)
        if known is not None and not self._is_stale:
            return known
        made = known.segments_made if known else 0
        return TrackTally(
            class_session_id=class_session_id, segments_made=made, segments_pending=1, gaps_pending=0
        )

    def track(self, class_session_id: ClassSessionId, now_at: datetime) -> None:
        """Has a class counted from now on."""
        self._requested_at[class_session_id] = now_at
        if class_session_id not in self._tallies:
            self.refresh()

    def forget(self, now_at: datetime) -> None:
        """Drops the classes that nobody asks for any more."""
        for class_id, asked_at in tuple(self._requested_at.items()):
            if now_at - asked_at > ASKED_FOR:
                self._requested_at.pop(class_id, None)
                self._tallies.pop(class_id, None)

    def refresh(self) -> None:
        """Counts anew. Never raises for an index that cannot be read: that is said in the log and in the figures."""
        # One count at a time: an older one must not come after a newer one.
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
