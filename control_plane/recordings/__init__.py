"""Classes and their footage: ClassSession, Track, Segment, Gap; how they are dated (`timeline`), and played (`playback`).

Flow: `services.start_class` orders the recording from the fleet -> `ingest` adds segments and gaps -> `heartbeats` follows
what the agents say -> `services` completes the class -> `playback` writes timeline, playlists, keys and bytes for one
viewer. `timeline` and `playback.playlist` are pure. Imports nothing of ingest or delivery.
"""
