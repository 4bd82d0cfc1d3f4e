"""From cameras to packets: sources (RTSP, HTTP, file), one reader thread per camera, a supervisor, a probe.

A `Camera` is run by `core`; its `feed` hands compressed packets to whoever subscribes, without decoding any and
without ever waiting for a slow subscriber. Imports `status`, `settings`, `errors` and `shared`; never `sync` or `spool`.
"""
