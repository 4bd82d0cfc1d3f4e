"""How segments arrive: intent (what will come, and where to), PUT (the bytes), commit (verified, key re-wrapped), gaps.

Every step is idempotent on the segment's id, takes a batch, and lets one bad item block nothing behind it.
"""
