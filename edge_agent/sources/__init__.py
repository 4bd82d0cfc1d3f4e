"""Camera sources: from RTSP, HTTP or a file to compressed packets with media time and arrival.

`factory` makes the `Source` of a configured camera; every kind is read once, by one thread, from `open` to `close`.
`AvSource` reads with FFmpeg (PyAV), `packetizer` turns its packets into whole access units on a timeline without jumps.
Only `dial` connects to cameras; FFmpeg never does. Imports `settings`, `errors` and `shared`; never `capture`.
"""
