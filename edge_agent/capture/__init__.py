"""From sources to subscribers: one supervised reader thread per camera, its packet feed, the status board.

A `Camera` is run by `core`; its `feed` hands compressed packets to its subscribers, without decoding any and
without ever waiting for a slow subscriber. Imports `sources` and below; never `sync` or `spool`.
"""
