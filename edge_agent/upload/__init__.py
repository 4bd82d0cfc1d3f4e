"""Uploads what the spool holds: intent -> PUT straight to the store -> commit.

`replicator` decides and waits. It calls the control plane and the stores through `client` (over HTTP:
`http_upload_client`), and the spool through `outbox`. `pending` caches what the spool holds and orders it, `retry_schedule`
spaces retries, `put_targets` keeps upload addresses, `endpoint` guards each destination with a circuit breaker,
`upload_window` the time of day, `throttle` the bandwidth. `gap_sender` reports gaps in a task of its own; `quarantine`
reports segments that are not accepted. Imports the spool and below, never `control`.
"""
