"""The encrypted buffer on the disk: segment writer, journal, index, recovery, cleaner, disk budget, scrub.

`Spool` is the buffer that recordings fill and uploads empty. Plaintext never touches the disk, and recovery needs no key.
Imports `settings`, `errors`, `files` and `shared` alone: it knows neither cameras nor the network.
"""

# Lock order. Recorders, the upload thread and `core` call the spool at once. A thread that holds a lock of this list may
# acquire only locks with a higher number; `tests/edge_agent/spool/test_lock_order.py` checks that on the running code.
#
#  0  the lock file (`layout.lock_state`)   held by one process for as long as its spool is open
#  1  Spool._drop_lock                      one recorder at a time drops footage to free space
#  2  Spool._repair_lock                    one thread repairs; only ever tried, never waited for
#  3  Spool._removal_lock                   cleaning and requeueing exclude each other: a copy that is being removed must
#                                           not be promised to the control plane
#  4  DeferredWrites._write_lock            writes reach the disk one after the other, in order
#  5  DeferredWrites._list_lock             the list of writes that the disk refused; nothing is acquired under it
#  6  BacklogStats._refresh_lock            one count at a time: an older result must not overwrite a newer one
#  7  Index._write_lock                     the writing connection; nothing is acquired under it
#  8  Index._read_lock                      the reading connection; nothing is acquired under it
#  9  DiskBudget._lock                      byte counts; nothing is acquired under it
# 10  WriteRate._lock                       bytes per second of each camera; nothing is acquired under it
# 11  Spool._lock                           sequence numbers and listeners; listeners are called after it is released
