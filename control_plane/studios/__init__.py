"""Tenancy: studios, rooms, people and their roles, the studio's keys, and `access`, the only place that decides.

Flow of every write: `services` require access -> atomic -> change -> audit -> on_commit. Imports nothing above it:
no fleet, no recordings, no delivery.
"""
