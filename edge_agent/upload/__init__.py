"""Brings what the spool holds to the control plane: intent -> PUT straight to the store -> commit.

`replicator` decides and waits, `client` is what it needs of the other side, `http` is that over HTTP, `outbox` what it
needs of the spool, `waiting` what stands there, `lanes` what goes first, `deferrals` what waits, `targets` where to,
`line` with its `breaker` whether a destination is worth a try, `gate` with its `window` whether segments may go at this
time of day, `throttle` holds the ceiling of the line; `gaps` has a task of its own, and `aside` tells what does not
arrive. Imports spool and below, never `control`.
"""
