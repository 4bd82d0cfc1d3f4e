"""Retention: how long recordings are kept, and their deletion when the time is over. See docs/design/retention.md."""
