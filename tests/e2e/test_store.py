"""A class whose footage goes to a real S3 store, which is away for a while."""

import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.demo.playback import Viewer
from tests.e2e.footage import fragments_of
from tests.e2e.installation import installation, wait_for
from tests.rigs.fault_proxy import FaultProxy, Mode
from tests.rigs.radosgw import missing_programs, radosgw
from tools.demo_scene.loop import CAMERAS, FRAMES
from tools.demo_scene.render import default_cache, ensure_media

OUTAGE_S = 8.0

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.s3,
    pytest.mark.faults,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(missing_programs()), reason="no Ceph on this machine (see .ci/run)"),
]


def test_a_store_that_answers_503_for_a_while_costs_no_picture() -> None:
    media = ensure_media(default_cache(), lambda part, what: None)
    with (
        tempfile.TemporaryDirectory(prefix="threedance-store-") as made,
        radosgw() as server,
        FaultProxy(server.host, server.port) as line,
    ):
        Path(made).chmod(0o711)
        parts = urlsplit(server.url("threedance-footage"))
        through = urlunsplit(
            parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{line.port}")
        )
        with installation(Path(made), media, through) as installed:
            class_id, address = installed.start_class()
            installed.until_segments(class_id, 3)
            line.set_mode(Mode.UNAVAILABLE)
            time.sleep(OUTAGE_S)  # longer than a segment, so that some are due while the store is away
            behind = installed.ask("progress", class_id=class_id)
            line.set_mode(Mode.PASS)
            installed.ask("stop", class_id=class_id)
            wait_for(
                lambda: installed.ask("progress", class_id=class_id)["has_ended"], "the end of the class", 120
            )
            assert behind["segments_arrived"] < behind["segments_made"] or behind["segments_pending"] > 0
            assert installed.ask("progress", class_id=class_id)["state"] == "complete"
            assert not any((installed.state / "objects").rglob("*.*")), (
                "footage also lies in the local folder"
            )
            viewer = Viewer(installed.ask("links")["instructor"])
            address = address.replace(installed.line.url, installed.url)
            timeline = viewer.timeline(address)
            assert {track["position"] for track in timeline["tracks"]} == set(CAMERAS)
            for track in timeline["tracks"]:
                frames = [frame for one in fragments_of(viewer, address, track) for frame in one.frames]
                assert frames == [(frames[0] + step) % FRAMES for step in range(len(frames))]
                assert track["gaps"] == []
