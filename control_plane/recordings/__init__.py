"""Classes and their footage: ClassSession, Track, Segment, Gap; their dates (`timeline`) and their playback (`playback`).

Flow: `services.start_class` orders the recording from the fleet -> `ingest` adds segments and gaps -> `heartbeats` applies
the reports of agents -> `services` completes the class -> `playback` serves timeline, playlists, keys and bytes to one
viewer. `timeline` and `playback.playlist` are pure. Does not import `ingest`.
"""
