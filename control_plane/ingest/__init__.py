"""Receives segments: intent (announcement and upload address), PUT (bytes), commit (verification, key re-wrapped), gaps.

Every step is idempotent on the segment's id and takes a batch. One invalid item does not block the others.
"""
