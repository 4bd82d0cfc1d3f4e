"""Brings what the spool holds to the control plane: intent -> PUT straight to the store -> commit.

`replicator` decides and waits, `client` is what it needs of the other side, `http` is that over HTTP, `lanes` says
what goes first, `throttle` holds the ceiling of the line. Imports spool and below, never `control`.
"""
