"""From packets to segments: one `Recording` per class, one `TrackRecorder` per camera.

A recorder cuts a run into CMAF fragments (`run_muxer`, `fragment_muxer`, `audio`), dates them, hands them to the spool's
`SegmentWriter`, and keeps account of what is missing (`gap_tracker`). Nothing is re-encoded but audio that browsers do
not play. Imports `spool`, `capture` and below; `av` only in the muxers and `audio`.
"""
