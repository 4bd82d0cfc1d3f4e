"""Integrity: compares database and stores, records damaged segments, and requests them again from their agents.

`scan` takes a part of a studio's segments each night, `inspect` compares objects with rows, `damage` records
differences, `repairs` asks agents for good copies. Damage is a row of `recordings` (`SegmentDamage`), as playback and
timeline read it. It is below `ingest`, which asks `repairs` whether an upload replaces a damaged segment.
"""
