"""How long a start takes with a spool full of segments: with its index, and with the index lost."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from edge_agent.checksummed_lines import to_line
from edge_agent.spool.layout import CLOSED, MANIFEST
from shared.protocol.ids import CameraId, SegmentId, new_id
from tests.edge_agent.spool.recorded_class import Studio
from tests.edge_agent.spool.segments import closed

CAMERAS = 3
AGAIN_S = 5.0
"""The bar, in processor time: what else the machine does is not the spool's."""


def run(segments: int) -> int:
    """Measures, prints, and returns how many of the starts took too long."""
    late = 0
    with TemporaryDirectory(prefix="start-") as folder:
        studio = Studio(Path(folder) / "state")
        _fill(studio, segments)
        for what in ("with its index", "with the index lost"):
            if what != "with its index":
                for path in studio.state.glob("index.sqlite*"):
                    path.unlink()
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            spool = studio.open_spool()
            took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
            known = spool.status().segments_pending
            spool.close()
            late += cpu_s > AGAIN_S or known < segments
            print(f"a start with {known} segments, {what}: {took_s:.1f} s, {cpu_s:.1f} s of processor time")
    return late


def _fill(studio: Studio, segments: int) -> None:
    spool = studio.open_spool()
    pattern = closed(studio, spool, fragments=6)
    cameras = [CameraId(new_id()) for _ in range(CAMERAS)]
    made = []
    for number in range(segments):
        camera_id, sequence = cameras[number % CAMERAS], number // CAMERAS + 1
        manifest = msgspec.structs.replace(
            pattern, segment_id=SegmentId(new_id()), camera_id=camera_id, sequence=sequence
        )
        spool.files.ensure_folder(spool.layout.camera(camera_id)) if sequence == 1 else None
        path = spool.layout.segment(camera_id, sequence, manifest.segment_id, CLOSED)
        path.write_bytes(b"what is in it is not read by a start")
        line = to_line(manifest)
        path.with_suffix(MANIFEST).write_bytes(line)
        made.append((manifest, line))
    spool.index.add_segments(made)
    spool.close()
