"""Tenancy: the tables of studios, rooms, memberships and invitations, and their scoped reads.

Every app of a studio builds on these tables. The writes ask `access` first and are in `administration`, above it.
"""
