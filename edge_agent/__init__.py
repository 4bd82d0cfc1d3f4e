"""The box in the studio: records the room's cameras, encrypts, survives faults, uploads.

Main flow: `capture` pulls packets from cameras, `sync` dates them, `spool` makes encrypted segments of them that
survive a power cut, `upload` brings them to the control plane, `control` keeps the configuration, `core` owns it all.
Imports `shared`, never `control_plane`; order: `cli > core > control | upload > spool > sync > capture > status,
settings, errors`.
"""
