"""Exports and their verification: what is changed, cut off or rewritten is found and named, from files alone."""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from control_plane.audit.chain import GENESIS, Link, link_hash
from control_plane.audit.checkpoints import NOTHING_BEFORE, Head, public_text, receipt_for, write_checkpoint
from control_plane.audit.exports import FORM, KIND, BadFile, Header, write_csv, write_jsonl
from control_plane.audit.offline import read_kept, verify_export
from control_plane.audit.program import app
from tests.control_plane.audit.links import as_stored

STUDIO = UUID("018f0000-0000-7000-8000-000000000001")
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = public_text(KEY.public_key())
AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
Chain = list[tuple[Link, bytes]]


def chain(length: int, *, forged_at: int = 0) -> Chain:
    """A chain; with `forged_at`, one that was rewritten from that entry on, all hashes anew."""
    made: Chain = []
    previous = GENESIS
    for sequence in range(1, length + 1):
        link = Link(
            studio_id=STUDIO,
            sequence=sequence,
            occurred_at=AT + timedelta(seconds=sequence),
            action="class.replayed",
            actor_kind="user",
            actor_id=UUID(int=sequence % 3),
            actor_job="",
            object_type="recordings.ClassSession",
            object_id=f'a "quoted", id\n{sequence}' if sequence % 4 == 0 else str(sequence),
            details={"n": sequence, "é": ["\u20ac", True, None]} if sequence != forged_at else {"n": 0},
            previous_hash=previous,
        )
        previous = link_hash(link)
        made.append((link, previous))
    return made


def header(links: Chain, *, whole: bool = True, exported_at: datetime = AT + timedelta(days=1)) -> Header:
    return Header(
        kind=KIND,
        form=FORM,
        studio=STUDIO,
        whole=whole,
        from_sequence=1,
        to_sequence=len(links),
        previous=GENESIS.hex(),
        head_sequence=len(links),
        head_hash=links[-1][1].hex() if links else GENESIS.hex(),
        exported_at=exported_at.isoformat(),
        public_key=PUBLIC,
    )


def export(path: Path, links: Chain, *, key: Ed25519PrivateKey = KEY, **values: Any) -> Path:
    named = ((link, stored, f"=words of {link.sequence}") for link, stored in links)
    about = header(links, **values)
    if path.suffix == ".csv":
        path.write_bytes(b"".join(write_csv(about, named, key.sign)))
    else:
        path.write_bytes(b"".join(write_jsonl(about, as_stored(links), key.sign)))
    return path


def checkpoints(folder: Path, *lengths: int, source: Chain | None = None) -> Path:
    """Checkpoints of an honest chain at these lengths, an hour apart."""
    links, previous = source or chain(max(lengths)), NOTHING_BEFORE
    folder.mkdir()
    for number, length in enumerate(lengths, start=1):
        document = write_checkpoint(
            number, AT + timedelta(hours=number), previous, [Head(STUDIO, length, links[length - 1][1])], KEY
        )
        path = folder / f"{number:05d}.json"
        path.write_text(json.dumps(document))
        previous = read_kept(folder).checkpoints[-1].sha256
    return folder


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@pytest.mark.parametrize("length", [0, 1, 9])
def test_an_untouched_export_holds(tmp_path: Path, suffix: str, length: int) -> None:
    verdict = verify_export(export(tmp_path / f"log.{suffix}", chain(length)), public_key=PUBLIC)
    assert verdict.holds, verdict
    assert verdict.entries == length


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(data=st.data())
def test_any_changed_byte_is_noticed(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    path = export(tmp_path / f"log.{suffix}", chain(6))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.sampled_from([1, 2, 0x20, 0x80]))
    path.write_bytes(content)
    with contextlib.suppress(BadFile):
        assert not verify_export(path, public_key=PUBLIC).holds


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_each_changed_byte_of_the_last_line_is_noticed(tmp_path: Path, suffix: str) -> None:
    """No hash is of that line: it is held against what would have been written."""
    path = export(tmp_path / f"log.{suffix}", chain(1))
    content = path.read_bytes()
    for place in range(content.rstrip().rindex(b"\n") + 1, len(content)):
        for bits in (1, 4, 0x20):
            changed = bytearray(content)
            changed[place] ^= bits
            path.write_bytes(changed)
            with contextlib.suppress(BadFile):
                assert not verify_export(path, public_key=PUBLIC).holds, bytes(changed[place - 5 :])


def test_a_number_that_json_does_not_have_is_no_entry(tmp_path: Path) -> None:
    path = export(tmp_path / "log.csv", chain(3))
    content = path.read_bytes()
    path.write_bytes(content.replace(b'""n"":2', b'""n"":' + b"2" * 40))
    assert path.read_bytes() != content
    assert "entry 2 of the file cannot be read" in str(verify_export(path, public_key=PUBLIC))


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@pytest.mark.parametrize("time", ["2026-11-31T12:00:00+00:00", "2026-11-21T12:00:00", "today"])
def test_a_file_of_no_time_is_no_export(tmp_path: Path, suffix: str, time: str) -> None:
    path = export(tmp_path / f"log.{suffix}", chain(3))
    content, made = re.subn(rb'(exported_at[":]+)[0-9T:+-]+', rb"\g<1>" + time.encode(), path.read_bytes())
    assert made == 1
    path.write_bytes(content)
    with pytest.raises(BadFile, match="does not begin like an export"):
        verify_export(path, public_key=PUBLIC)


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_the_first_changed_entry_is_named(tmp_path: Path, suffix: str) -> None:
    path = export(tmp_path / f"log.{suffix}", chain(9))
    content = path.read_bytes()
    for sequence in (b"2026-11-21T10:00:07", b"2026-11-21T10:00:05"):
        assert content.count(sequence) == 1
        content = content.replace(sequence, sequence.replace(b"T10", b"T11"))
    path.write_bytes(content)
    verdict = verify_export(path, public_key=PUBLIC)
    assert verdict.first_break is not None
    assert (verdict.first_break.sequence, verdict.first_break.reason) == (
        5,
        "its content does not match its hash",
    )
    assert "the file was changed after it was signed" in verdict.faults


def test_a_missing_entry_is_named(tmp_path: Path) -> None:
    links = chain(9)
    path = tmp_path / "log.jsonl"
    rest = [item for item in links if item[0].sequence != 4]
    path.write_bytes(b"".join(write_jsonl(header(links), as_stored(rest), KEY.sign)))
    found = verify_export(path).first_break
    assert found is not None
    assert (found.sequence, found.reason) == (4, "entry 4 is missing")


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_file_that_was_cut_off_is_noticed(tmp_path: Path, suffix: str) -> None:
    path = export(tmp_path / f"log.{suffix}", chain(9))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-3]))
    verdict = verify_export(path)
    assert any("cut off" in fault for fault in verdict.faults)


def test_a_log_that_was_rewritten_with_new_hashes_is_found_by_the_checkpoints(tmp_path: Path) -> None:
    path = export(tmp_path / "log.jsonl", chain(20, forged_at=7))
    assert verify_export(path, public_key=PUBLIC).holds, "the chain alone cannot show it"
    kept = read_kept(checkpoints(tmp_path / "kept", 5, 12, 20), public_key=PUBLIC)
    known, faults = kept.checkpoints, kept.faults
    assert faults == []
    found = verify_export(path, checkpoints=known, public_key=PUBLIC).first_break
    assert found is not None
    assert found.sequence == 12
    assert "rewritten somewhere from entry 6 to here" in found.reason


def test_a_log_whose_end_was_cut_off_before_the_export_is_found_by_the_checkpoints(tmp_path: Path) -> None:
    path = export(tmp_path / "log.jsonl", chain(10))
    known = read_kept(checkpoints(tmp_path / "kept", 5, 12)).checkpoints
    found = verify_export(path, checkpoints=known).first_break
    assert found is not None
    assert (found.sequence, "its end was cut off" in found.reason) == (11, True)


def test_checkpoints_taken_after_the_export_do_no_harm(tmp_path: Path) -> None:
    path = export(tmp_path / "log.jsonl", chain(10), exported_at=AT + timedelta(minutes=90))
    known = read_kept(checkpoints(tmp_path / "kept", 5, 12)).checkpoints
    assert verify_export(path, checkpoints=known).holds


def test_receipts_in_one_file_serve_like_checkpoints(tmp_path: Path) -> None:
    folder = checkpoints(tmp_path / "whole", 5, 12)
    lines = [
        json.dumps(receipt_for(STUDIO, json.loads(path.read_text()))) for path in sorted(folder.iterdir())
    ]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "receipts.jsonl").write_text("\n".join(lines) + "\n")
    kept = read_kept(tmp_path / "mine", public_key=PUBLIC)
    known, faults = kept.checkpoints, kept.faults
    assert (len(known), faults) == (2, [])
    path = export(tmp_path / "log.csv", chain(12, forged_at=2))
    found = verify_export(path, checkpoints=known).first_break
    assert found is not None
    assert found.sequence == 5


def test_a_forged_checkpoint_is_a_fault_and_not_used(tmp_path: Path) -> None:
    folder = checkpoints(tmp_path / "kept", 5, 12)
    first = folder / "00001.json"
    first.write_text(first.read_text().replace('"sequence": 5', '"sequence": 4'))
    kept = read_kept(folder, public_key=PUBLIC)
    known, faults = kept.checkpoints, kept.faults
    assert [item.number for item in known] == [2]
    assert faults == ["00001.json: the ends of the chains in it are not those that were signed"]


def test_an_export_by_another_key_is_refused_where_the_key_is_known(tmp_path: Path) -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    path = export(tmp_path / "log.jsonl", chain(3), key=other)
    assert any("signature of the file" in fault for fault in verify_export(path, public_key=PUBLIC).faults)


def test_a_selection_shows_that_nothing_in_it_was_changed(tmp_path: Path) -> None:
    links = chain(9)
    picked = [links[1], links[4], links[5]]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(write_jsonl(header(links, whole=False), as_stored(picked), KEY.sign)))
    verdict = verify_export(path, public_key=PUBLIC)
    assert verdict.holds
    assert any("selection" in note for note in verdict.notes)
    path.write_bytes(path.read_bytes().replace(b'"n":5', b'"n":6'))
    found = verify_export(path).first_break
    assert found is not None
    assert found.sequence == 5


def test_names_that_a_spreadsheet_would_run_are_shown_as_text(tmp_path: Path) -> None:
    content = export(tmp_path / "log.csv", chain(1)).read_text()
    assert "'=words of 1" in content


@pytest.mark.parametrize(
    ("damage", "code", "says"),
    [
        (lambda content: content, 0, "9 entries, unbroken"),
        (lambda content: content.replace(b'"n":3,', b'"n":4,'), 1, "BROKEN at entry 3: its content"),
        (lambda content: content[:-200], 1, "WRONG"),
        (lambda content: b"hello\n", 2, "does not begin like an export"),
    ],
)
def test_the_program_says_what_is_wrong_and_exits_with_it(
    tmp_path: Path, damage: Callable[[bytes], bytes], code: int, says: str
) -> None:
    path = export(tmp_path / "log.jsonl", chain(9))
    path.write_bytes(damage(path.read_bytes()))
    folder = checkpoints(tmp_path / "kept", 5, 9)
    arguments = ["verify", str(path), "--checkpoints", str(folder), "--public-key", PUBLIC]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    assert says in " ".join(result.output.split())


def verified(path: Path, kept: Path) -> tuple[int, str]:
    """Runs the program; returns its exit code and what it said, in one line."""
    arguments = ["verify", str(path), "--checkpoints", str(kept), "--public-key", PUBLIC, "--quiet"]
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, " ".join(result.output.split())


def test_the_receipts_that_were_downloaded_serve_as_they_are_and_beside_the_export(tmp_path: Path) -> None:
    whole = checkpoints(tmp_path / "whole", 5, 9)
    mine = tmp_path / "downloads"
    mine.mkdir()
    lines = [
        json.dumps(receipt_for(STUDIO, json.loads(path.read_text()))) for path in sorted(whole.iterdir())
    ]
    receipts = mine / "checkpoints-demo-dance.jsonl"
    receipts.write_text("\n".join(lines) + "\n")
    (mine / "other.json").write_text('{"name": "something else"}')
    path = export(mine / "log.jsonl", chain(9))
    code, said = verified(path, receipts)
    assert (code, "2 checkpoints read, 2 of them" in said) == (0, True), said
    code, said = verified(path, mine)
    assert (code, "2 checkpoints read, 2 of them" in said, "WRONG" in said) == (0, True, False), said
    assert "note: log.jsonl is an export of the log: left out" in said
    receipts.write_text(lines[0][:-9] + "\n" + lines[1] + "\n")
    code, said = verified(path, mine)
    assert (code, "WRONG: checkpoints-demo-dance.jsonl, line 1" in said) == (1, True), said


def test_checkpoints_that_were_asked_for_and_are_not_there_are_an_error(tmp_path: Path) -> None:
    path = export(tmp_path / "log.jsonl", chain(9))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.jsonl").touch()
    for place, says in {
        "nowhere": "is not there",
        "empty": "there is no checkpoint in",
        "empty.jsonl": "there is no checkpoint in",
        "log.jsonl": "is an export of the log",
    }.items():
        code, said = verified(path, tmp_path / place)
        assert (code, says in said, "unbroken" in said) == (2, True, False), said


def test_verifying_needs_neither_django_nor_a_setting(tmp_path: Path) -> None:
    path = export(tmp_path / "log.jsonl", chain(9))
    program = (
        "import sys, importlib.abc\n"
        "class No(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('django', 'psycopg', 'celery', 'redis'):\n"
        "            raise ImportError(name + ' is not to be imported')\n"
        "sys.meta_path.insert(0, No())\n"
        "from control_plane.audit.program import app\n"
        "app(['verify', sys.argv[1], '--quiet'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env={"PATH": "/usr/bin", "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "9 entries, unbroken" in done.stdout
