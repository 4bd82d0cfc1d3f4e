"""After a crash at any instant: no durable fragment is lost, none is there twice, and no key is needed to mend it."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from edge_agent.checksummed_lines import from_line, to_line
from edge_agent.errors import SpoolBusy, StateUnwritable
from edge_agent.spool import recovery
from edge_agent.spool.index import Index
from edge_agent.spool.journal import JournalEntry, read_journal
from edge_agent.spool.layout import CLOSED, JOURNAL, MANIFEST, OPEN
from edge_agent.spool.schema import is_refusal
from edge_agent.spool.spool import Spool
from shared.protocol.config import SpoolPolicy
from shared.protocol.ids import GapId, SegmentId
from shared.protocol.manifest import GapReason, GapRecord, SegmentManifest
from tests.edge_agent.spool.recorded_class import NOON, Studio
from tests.edge_agent.spool.segments import CLOCK, closed, fragment, writer

FRAGMENTS = 4


def _die(spool: Spool) -> None:
    """Lets go of the lock as a killed process does; nothing is flushed or closed."""
    spool._lock_file.close()


def _files(studio: Studio, suffix: str) -> list[Path]:
    return sorted((studio.state / "spool").rglob(f"*{suffix}"))


def _whole(studio: Studio, spool: Spool, manifest: SegmentManifest) -> list[int]:
    numbers = []
    for record in manifest.fragments:
        body = studio.opened(spool, manifest, record.blob)
        assert body == body[:4] * (len(body) // 4)
        numbers.append(int.from_bytes(body[:4], "big"))
    return numbers


def test_an_open_segment_is_sealed_with_all_that_was_durable(studio: Studio) -> None:
    spool = studio.open_spool()
    open_segment = writer(studio, spool)
    for number in range(FRAGMENTS):
        open_segment.append(fragment(number), CLOCK)
    _die(spool)
    again = studio.open_spool()
    (manifest,) = studio.manifests(again)
    assert manifest.recovered
    assert _whole(studio, again, manifest) == list(range(FRAGMENTS))
    assert manifest.size_bytes == again.path(manifest).stat().st_size
    assert again.pending(10)[0].manifest == manifest
    assert not _files(studio, OPEN)
    assert not _files(studio, JOURNAL)
    assert again.allocate_sequence(studio.camera_id) == 2


@pytest.mark.faults
def test_a_cut_at_any_byte_of_either_file_keeps_what_was_durable(tmp_path: Path) -> None:
    studio = Studio(tmp_path / "state")
    spool = studio.open_spool()
    open_segment = writer(studio, spool)
    sizes: list[tuple[int, int]] = []
    for number in range(FRAGMENTS):
        open_segment.append(fragment(number, 400), CLOCK)
        sizes.append((_files(studio, OPEN)[0].stat().st_size, _files(studio, JOURNAL)[0].stat().st_size))
    _die(spool)
    original = studio.state
    cuts: list[tuple[int | None, int | None]] = [(part, None) for part in range(0, sizes[-1][0] + 1, 37)]
    cuts += [(None, journal) for journal in range(0, sizes[-1][1] + 1, 61)]
    for index, (part, journal) in enumerate(cuts):
        studio.state = tmp_path / f"cut-{index}"
        shutil.copytree(original, studio.state)
        if part is not None:
            os.truncate(_files(studio, OPEN)[0], part)
        if journal is not None:
            os.truncate(_files(studio, JOURNAL)[0], journal)
        durable = sum(
            (part is None or part >= object_size) and (journal is None or journal >= journal_size)
            for object_size, journal_size in sizes
        )
        again = studio.open_spool()
        manifests = studio.manifests(again)
        kept = [number for m in manifests for number in _whole(studio, again, m)]
        assert kept == list(range(durable)), (part, journal)
        assert not _files(studio, OPEN)
        again.close()
        shutil.rmtree(studio.state)


def test_a_journal_that_vouches_for_bytes_that_are_not_there_is_not_believed(studio: Studio) -> None:
    spool = studio.open_spool()
    open_segment = writer(studio, spool)
    for number in range(FRAGMENTS):
        open_segment.append(fragment(number), CLOCK)
    _die(spool)
    part = _files(studio, OPEN)[0]
    _, entries = read_journal(_files(studio, JOURNAL)[0])
    third = entries[2].fragment.blob
    with part.open("r+b") as file:
        # A power cut may leave an unsynced write with the right length, full of zeros.
        file.seek(third.offset_bytes)
        file.write(bytes(third.size_bytes))
    again = studio.open_spool()
    (manifest,) = studio.manifests(again)
    assert _whole(studio, again, manifest) == [0, 1]


def test_a_journal_alone_or_an_object_alone_is_cleared_away(studio: Studio) -> None:
    spool = studio.open_spool()
    open_segment = writer(studio, spool)
    open_segment.append(fragment(0), CLOCK)
    _die(spool)
    _files(studio, JOURNAL)[0].unlink()
    again = studio.open_spool()
    assert not studio.manifests(again)
    assert again.recovered.discarded == 1
    assert not _files(studio, OPEN)


def test_a_damaged_index_is_set_aside_and_rebuilt_from_the_files(studio: Studio) -> None:
    spool = studio.open_spool()
    manifests = [closed(studio, spool) for _ in range(5)]
    gap = GapRecord(
        gap_id=GapId(uuid4()),
        class_session_id=studio.class_id,
        camera_id=studio.camera_id,
        from_at=NOON,
        to_at=NOON + timedelta(seconds=2),
        reason=GapReason.CAMERA_OFFLINE,
    )
    spool.add_gap(gap)
    spool.close()
    index = studio.state / "index.sqlite"
    data = bytearray(index.read_bytes())
    data[4096 : 4096 + 8000] = os.urandom(8000)
    index.write_bytes(bytes(data))
    again = studio.open_spool()
    assert again.recovered.index_rebuilt
    assert studio.manifests(again) == manifests
    assert again.gaps_pending(10) == [gap]
    assert again.allocate_sequence(studio.camera_id) == 6
    assert index.with_name("index.sqlite.damaged-1").exists()


@pytest.mark.parametrize(
    ("column", "value"),
    [("class_session_id", str(UUID(int=1))), ("size_bytes", 1 << 60), ("closed_at_us", 1), ("sequence", 9)],
)
def test_a_row_that_is_not_about_its_segment_has_the_index_rebuilt(
    studio: Studio, column: str, value: object
) -> None:
    spool = studio.open_spool()
    manifest = closed(studio, spool)
    spool.index._writer.execute(f"UPDATE segments SET {column} = ?", (value,))  # noqa: S608
    spool.close()
    again = studio.open_spool()
    assert again.recovered.index_rebuilt
    assert studio.manifests(again) == [manifest]
    assert again.bytes_used() == manifest.size_bytes


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE sqlite_schema SET sql = replace(sql, 'size_bytes', 'size_bytez') WHERE name = 'segments'",
        "UPDATE sqlite_schema SET sql = replace(sql, 'intended', 'intendee') WHERE name = 'segments_to_send'",
        "UPDATE sqlite_schema SET sql = 'CREATE TABLE gaps' WHERE name = 'gaps'",
        "UPDATE gaps SET class_session_id = 'another'",
    ],
)
def test_an_index_whose_tables_or_gaps_are_others_is_rebuilt(studio: Studio, damage: str) -> None:
    spool = studio.open_spool()
    manifest = closed(studio, spool)
    spool.add_gap(_gap(studio))
    db = spool.index._writer
    db.execute("PRAGMA writable_schema = ON")
    db.execute(damage)
    spool.close()
    again = studio.open_spool()
    assert again.recovered.index_rebuilt
    assert [s.manifest for s in again.pending(10)] == [manifest]
    assert studio.gaps(again) == [_gap(studio)]


def _gap(studio: Studio) -> GapRecord:
    return GapRecord(
        gap_id=GapId(UUID(int=1)),
        class_session_id=studio.class_id,
        camera_id=studio.camera_id,
        from_at=NOON,
        to_at=NOON + timedelta(seconds=2),
        reason=GapReason.CAMERA_OFFLINE,
    )


def test_an_index_on_an_unreadable_sector_is_rebuilt_and_a_full_disk_is_waited_for(studio: Studio) -> None:
    for code, refusal in (
        (sqlite3.SQLITE_IOERR_READ, False),
        (sqlite3.SQLITE_ERROR, False),
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_IOERR_WRITE, True),
        (sqlite3.SQLITE_READONLY_DBMOVED, True),
    ):
        error = sqlite3.OperationalError("no")
        error.sqlite_errorcode = code
        assert is_refusal(error) is refusal


def test_a_segment_whose_file_is_here_is_here_whatever_its_row_says(studio: Studio) -> None:
    """One bit of the row; or a power cut that undid a removal: then it is removed again."""
    spool = studio.open_spool()
    waiting, sent = closed(studio, spool), closed(studio, spool)
    spool.mark_committed([sent.segment_id])
    spool.index.mark_removed([waiting.segment_id, sent.segment_id])
    spool.close()
    again = studio.open_spool()
    assert again.bytes_used() == waiting.size_bytes + sent.size_bytes
    again.set_policy(SpoolPolicy(keep_committed_s=0, keep_free_bytes=0))
    assert again.clean() == sent.size_bytes
    assert [s.manifest for s in again.pending(10)] == [waiting]
    assert again.path(waiting).exists()
    assert not again.path(sent).exists()


@pytest.mark.parametrize("order", [(0, 1, 1, 2), (0, 0, 1, 2), (0, 2), (1, 2)])
def test_lines_of_a_journal_that_are_doubled_or_missing_double_nothing(
    studio: Studio, order: tuple[int, ...]
) -> None:
    spool = studio.open_spool()
    open_segment = writer(studio, spool)
    for number in range(3):
        open_segment.append(fragment(number), CLOCK)
    _die(spool)
    journal = _files(studio, JOURNAL)[0]
    header, *entries = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(header + b"".join(entries[n] for n in order))
    again = studio.open_spool()
    kept = [number for manifest in studio.manifests(again) for number in _whole(studio, again, manifest)]
    assert kept == {(0, 1, 1, 2): [0, 1], (0, 0, 1, 2): [0], (0, 2): [0], (1, 2): []}[order]


@pytest.mark.parametrize("size_bytes", [1, 1 << 60])
def test_a_journal_that_names_more_bytes_than_there_are_is_not_believed(
    studio: Studio, size_bytes: int
) -> None:
    spool = studio.open_spool()
    open_segment = writer(studio, spool)
    for number in range(2):
        open_segment.append(fragment(number), CLOCK)
    _die(spool)
    journal = _files(studio, JOURNAL)[0]
    header, first, last = journal.read_bytes().splitlines(keepends=True)
    entry = from_line(last, JournalEntry)
    blob = msgspec.structs.replace(
        entry.fragment.blob, size_bytes=entry.fragment.blob.size_bytes + size_bytes
    )
    wrong = msgspec.structs.replace(entry, fragment=msgspec.structs.replace(entry.fragment, blob=blob))
    journal.write_bytes(header + first + to_line(wrong))
    again = studio.open_spool()
    assert _whole(studio, again, studio.manifests(again)[0]) == [0]


def test_what_of_an_open_segment_is_not_kept_is_said(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    spool = studio.open_spool()
    open_segment = writer(studio, spool)
    for number in range(3):
        open_segment.append(fragment(number), CLOCK)
    _die(spool)
    journal = _files(studio, JOURNAL)[0]
    header, first, second, third = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(header + first + second[:40] + b"?" + second[41:] + third)
    again = studio.open_spool()
    assert _whole(studio, again, studio.manifests(again)[0]) == [0]
    (said,) = [r for r in caplog.records if r.msg == "an open segment is truncated to its verified fragments"]
    assert said.__dict__["file"] == journal.with_suffix(OPEN).name
    assert said.__dict__["dropped_bytes"] > 2 * 2000


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 300])
def test_an_index_that_is_no_database_is_rebuilt(studio: Studio, damage: bytes) -> None:
    spool = studio.open_spool()
    manifest = closed(studio, spool)
    spool.close()
    (studio.state / "index.sqlite").write_bytes(damage)
    assert studio.manifests(studio.open_spool()) == [manifest]


def test_a_sequence_number_is_never_used_again_even_without_index_and_objects(studio: Studio) -> None:
    spool = studio.open_spool()
    manifests = [closed(studio, spool) for _ in range(3)]
    spool.mark_committed([m.segment_id for m in manifests])
    spool.set_policy(SpoolPolicy(keep_committed_s=0, keep_free_bytes=0))
    studio.clock.advance(1)
    assert spool.clean() == sum(m.size_bytes for m in manifests)
    assert not _files(studio, CLOSED)
    spool.close()
    (studio.state / "index.sqlite").unlink()
    again = studio.open_spool()
    assert closed(studio, again).sequence == 4


def test_an_unsent_gap_survives_a_crash(studio: Studio) -> None:
    spool = studio.open_spool()
    gap = GapRecord(
        gap_id=GapId(uuid4()),
        class_session_id=studio.class_id,
        camera_id=studio.camera_id,
        from_at=NOON,
        to_at=NOON + timedelta(seconds=2),
        reason=GapReason.DISK_FULL,
    )
    spool.add_gap(gap)
    _die(spool)
    again = studio.open_spool()
    assert again.gaps_pending(5) == [gap]
    again.settle_gaps([gap.gap_id])
    again.close()
    (studio.state / "index.sqlite").unlink()
    assert studio.open_spool().gaps_pending(5) == []


def test_a_second_agent_on_the_same_state_is_turned_away(studio: Studio) -> None:
    spool = studio.open_spool()
    with pytest.raises(SpoolBusy, match="another agent"):
        studio.open_spool()
    spool.close()
    studio.open_spool().close()


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateUnwritable, match="file/state") as caught:
        Studio(tmp_path / "file" / "state").open_spool()
    assert "--state" in caught.value.hint


def test_an_unreadable_manifest_does_not_stop_the_others(studio: Studio) -> None:
    spool = studio.open_spool()
    first, second = closed(studio, spool), closed(studio, spool)
    spool.close()
    (studio.state / "index.sqlite").unlink()
    spool.path(first).with_suffix(MANIFEST).write_text("{")
    again = studio.open_spool()
    assert studio.manifests(again) == [second]
    assert again.recovered.unreadable == [again.path(first)]
    assert again.allocate_sequence(studio.camera_id) == 3


@pytest.mark.faults
@pytest.mark.parametrize("attempt", range(3))
def test_kill_9_loses_nothing_that_was_said_to_be_durable(tmp_path: Path, attempt: int) -> None:
    studio = Studio(tmp_path / "state")
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.edge_agent.spool.victim",
            str(studio.state),
            studio.recipient.public_key.hex(),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    said = []
    for line in child.stdout:
        said.append(json.loads(line))
        if len(said) == 7 + 5 * attempt:
            child.send_signal(signal.SIGKILL)
            break
    said += [json.loads(line) for line in child.stdout if line.endswith("\n")]
    child.stdout.close()
    assert child.wait(10) == -signal.SIGKILL
    camera_ids = {text for text, _ in said}
    assert len(camera_ids) == 1
    spool = studio.open_spool()
    (studio.camera_id,) = spool.index.cameras()
    (studio.class_id,) = {s.manifest.class_session_id for s in spool.pending(1000)}
    kept = [number for m in studio.manifests(spool) for number in _whole(studio, spool, m)]
    durable = [number for _, number in said]
    assert kept[: len(durable)] == durable
    assert len(kept) <= len(durable) + 1
    assert kept == list(range(len(kept)))
    sequences = [m.sequence for m in studio.manifests(spool)]
    assert sequences == list(range(1, len(sequences) + 1))


def test_the_index_refuses_a_schema_from_the_future(studio: Studio) -> None:
    spool = studio.open_spool()
    manifest = closed(studio, spool)
    spool.close()
    with sqlite3.connect(studio.state / "index.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    assert studio.manifests(studio.open_spool()) == [manifest]


@pytest.mark.faults
def test_what_a_damaged_segment_held_is_one_gap(studio: Studio) -> None:
    spool = studio.open_spool()
    bad, good = closed(studio, spool), closed(studio, spool)
    for _ in range(2):
        spool.mark_damaged(bad, "the file on the disk is damaged")
    assert [s.manifest for s in spool.pending(10)] == [good]
    (gap,) = studio.gaps(spool)
    assert gap.reason is GapReason.SEGMENT_CORRUPT
    assert (gap.to_at - gap.from_at).total_seconds() == 3
    spool.close()
    again = studio.open_spool()
    assert [s.manifest for s in again.pending(10)] == [good]
    assert again.gaps_pending(10) == [gap]


def test_a_start_reads_no_manifest_that_the_index_knows(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 26,000 segments here the agent is to record again in 5 s: what is in order costs its name only."""
    spool = studio.open_spool()
    known = [closed(studio, spool, fragments=1) for _ in range(3)]
    spool.close()
    reads: list[bytes] = []

    def counted(line: bytes, type_: type[Any]) -> Any:
        reads.append(line)
        return from_line(line, type_)

    monkeypatch.setattr(recovery, "from_line", counted)
    again = studio.open_spool()
    assert [s.manifest for s in again.pending(10)] == known
    assert not reads
    again.close()
    again.layout.index.unlink()
    studio.open_spool()
    assert len(reads) == len(known)


def test_a_lost_index_takes_its_rows_back_in_few_transactions(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = studio.open_spool()
    known = [closed(studio, spool, fragments=1) for _ in range(5)]
    spool.close()
    spool.layout.index.unlink()
    batches: list[int] = []
    add = Index.add_segments

    def counted(index: Index, segments: Iterable[tuple[SegmentManifest, bytes]]) -> list[SegmentId]:
        made = list(segments)
        batches.append(len(made))
        return add(index, made)

    monkeypatch.setattr(Index, "add_segments", counted)
    monkeypatch.setattr(recovery, "BATCH", 3)
    again = studio.open_spool()
    assert [s.manifest for s in again.pending(10)] == known
    assert batches == [3, 2]
