"""Tenancy: the tables of studios, rooms, memberships and invitations, and their scoped reads.

Every app with studio data builds on these tables. The writes are in `administration`, because they ask `access`.
"""
