"""Bit rot is found by hash, quarantined, reported as a gap, and never uploaded as good."""

import os
from pathlib import Path

import pytest

from edge_agent.cli import spool_check
from edge_agent.errors import StateUnwritable
from edge_agent.spool import scrub
from edge_agent.spool.scrub import CheckDepth, Scrubber, check_spool
from shared.protocol.manifest import GapReason, SegmentManifest
from tests.edge_agent.spool.recorded_class import Studio
from tests.edge_agent.spool.segments import closed


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path / "state")


def _flip(path: Path) -> None:
    """Turns one bit over, as a disk does: neither size nor time tells."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.faults
def test_a_bit_that_turned_over_is_a_gap_and_is_never_uploaded(studio: Studio) -> None:
    spool = studio.open_spool()
    first, bad, missing, last = (closed(studio, spool) for _ in range(4))
    _flip(spool.path(bad))
    spool.path(missing).unlink()
    scrubber = Scrubber(spool)
    assert scrubber.scrub_next() == 2
    assert [s.manifest for s in spool.pending(10)] == [first, last]
    gaps = studio.gaps(spool)
    assert {g.gap_id for g in gaps} == {bad.segment_id, missing.segment_id}
    assert {g.reason for g in gaps} == {GapReason.SEGMENT_CORRUPT}
    assert spool.path(bad).exists()
    assert scrubber.scrub_next() == 0
    assert len(studio.gaps(spool)) == 2


def test_what_is_uploaded_is_no_loss(studio: Studio) -> None:
    spool = studio.open_spool()
    home = closed(studio, spool)
    spool.mark_committed([home.segment_id])
    _flip(spool.path(home))
    assert Scrubber(spool).scrub_next() == 0
    assert not studio.gaps(spool)


def test_each_look_reads_a_little_and_all_are_read_in_turn(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = studio.open_spool()
    made = [closed(studio, spool, fragments=1) for _ in range(5)]
    monkeypatch.setattr(scrub, "LEAST_BYTES", made[0].size_bytes + 1)
    monkeypatch.setattr(scrub, "LOOKS_PER_PASS", 1_000_000)
    monkeypatch.setattr(scrub, "BATCH", 3)
    read: list[SegmentManifest] = []
    verify_file = scrub.verify_file

    def counted(path: Path, manifest: SegmentManifest, depth: CheckDepth) -> str:
        read.append(manifest)
        return verify_file(path, manifest, depth)

    monkeypatch.setattr(scrub, "verify_file", counted)
    scrubber = Scrubber(spool)
    for _ in range(6):
        scrubber.scrub_next()
    in_turn = sorted(made, key=lambda m: str(m.segment_id))
    assert read[:5] == in_turn
    assert read[5:7] == in_turn[:2]


@pytest.mark.parametrize(
    ("depth", "found"), [(CheckDepth.PRESENCE, 2), (CheckDepth.SIZE, 3), (CheckDepth.HASH, 4)]
)
def test_a_check_finds_what_its_depth_can_find(
    studio: Studio, depth: CheckDepth, found: int, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = studio.open_spool()
    _, gone, short, flipped = (closed(studio, spool) for _ in range(4))
    spool.path(gone).unlink()
    os.truncate(spool.path(short), 100)
    _flip(spool.path(flipped))
    stray = spool.path(short).with_name(spool.path(short).name.replace("0000000003", "0000000009"))
    stray = stray.with_name(stray.name[:11] + str(studio.class_id) + ".seg")
    stray.write_bytes(b"x")
    findings = [f for f in check_spool(spool.layout, spool.index, depth) if f]
    assert len(findings) == found
    # While the agent runs, and without changing anything.
    assert spool_check.show(studio.state, depth) == found
    assert f"5 segments checked ({depth}), {found} of them damaged." in capsys.readouterr().out
    assert len(spool.pending(10)) == 4


def test_what_a_running_agent_closes_during_a_check_is_no_finding(studio: Studio) -> None:
    spool = studio.open_spool()
    closed(studio, spool)
    looked = check_spool(spool.layout, spool.index, CheckDepth.HASH)
    assert next(looked) is None
    closed(studio, spool)
    assert list(looked) == [None]


def test_a_folder_without_a_spool_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateUnwritable, match="recorded here"):
        spool_check.show(tmp_path, CheckDepth.SIZE)
