"""The reserve goes when the disk is full and comes back when there is space, and is never what fills it."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.disk_reserve import MAX_RESERVE_BYTES, MIN_RESERVE_BYTES, DiskReserve
from shared.kernel.disk import MEBIBYTE, DiskSpace
from tests.rigs.small_disk import small_disk, why_no_small_disk

GIBIBYTE = 1 << 30


class Disk:
    """A disk whose space a test sets."""

    def __init__(self, total_bytes: int = 100 * GIBIBYTE) -> None:
        self.total_bytes = total_bytes
        self.free_bytes = total_bytes // 2
        self.is_read_only = False

    def space_of(self, folder: Path) -> DiskSpace:
        """Returns it, of any folder."""
        return DiskSpace(self.total_bytes, self.free_bytes, 0, 0, self.is_read_only)


@pytest.mark.parametrize(
    ("total_bytes", "reserve_bytes"),
    [
        (2 * GIBIBYTE, MIN_RESERVE_BYTES),
        (10 * GIBIBYTE, 10 * GIBIBYTE // 100),
        (1000 * GIBIBYTE, MAX_RESERVE_BYTES),
    ],
)
def test_the_reserve_has_its_size_from_the_disk_and_its_blocks_are_taken(
    tmp_path: Path, total_bytes: int, reserve_bytes: int
) -> None:
    reserve = DiskReserve(tmp_path, Disk(total_bytes).space_of)
    reserve.tick()
    facts = reserve.path.stat()
    assert (facts.st_size, facts.st_blocks * 512 >= facts.st_size) == (reserve_bytes, True)


def test_the_reserve_goes_when_the_disk_is_full_and_is_made_again_only_when_space_is_plenty(
    tmp_path: Path,
) -> None:
    disk = Disk()
    reserve = DiskReserve(tmp_path, disk.space_of)
    assert not reserve.tick()
    disk.free_bytes = disk.space_of(tmp_path).low_bytes - 1
    assert not reserve.tick()
    assert reserve.path.exists(), "a low disk is not a full one"
    disk.free_bytes = 47 * MEBIBYTE
    assert reserve.tick(), "processes that wait for space must be notified"
    assert not reserve.path.exists()
    disk.free_bytes = 3 * GIBIBYTE // 2
    assert reserve.tick(), "there is space again"
    assert not reserve.tick(), "and it is told once"
    assert not reserve.path.exists(), "it would be what makes the disk low"
    disk.free_bytes = 3 * GIBIBYTE
    reserve.tick()
    assert reserve.path.exists()


def test_processes_that_wait_for_inodes_are_notified_as_well(tmp_path: Path) -> None:
    space = DiskSpace(100 * GIBIBYTE, 50 * GIBIBYTE, total_inodes=10_000, free_inodes=0)
    reserve = DiskReserve(tmp_path, lambda folder: space)
    assert not reserve.tick()
    space = replace(space, free_inodes=5_000)
    assert reserve.tick()
    assert not reserve.tick()


def test_a_disk_without_much_space_gets_no_reserve(tmp_path: Path) -> None:
    reserve = DiskReserve(tmp_path, Disk(300 * MEBIBYTE).space_of)
    reserve.tick()
    assert not any(tmp_path.iterdir())


def test_low_space_is_told_once_and_so_is_its_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    disk = Disk()
    reserve = DiskReserve(tmp_path, disk.space_of)
    disk.free_bytes = GIBIBYTE
    for _ in range(20):
        reserve.tick()
    disk.free_bytes = 10 * GIBIBYTE
    reserve.tick()
    first, last = (record.message for record in caplog.records)
    assert first.startswith("the disk is nearly full")
    assert last == "recovered"


def test_a_disk_that_is_read_only_or_does_not_answer_stops_nothing(tmp_path: Path) -> None:
    disk = Disk()
    reserve = DiskReserve(tmp_path, disk.space_of)
    reserve.tick()
    disk.is_read_only = True
    reserve.tick()

    def broken(folder: Path) -> DiskSpace:
        raise OSError(5, "Input/output error")

    assert not DiskReserve(tmp_path, broken).tick()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 600 MiB."""
    if why := why_no_small_disk():
        pytest.skip(why)
    with small_disk(tmp_path / "disk", 600) as folder:
        yield folder


def test_on_a_real_disk_that_is_filled_the_reserve_is_what_is_left(disk: Path) -> None:
    reserve = DiskReserve(disk)
    reserve.tick()
    assert reserve.path.stat().st_size == MIN_RESERVE_BYTES
    filler = disk / "filler"
    assert subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=1M"], capture_output=True).returncode
    assert DiskSpace.of(disk).free_bytes < MEBIBYTE
    assert reserve.tick()
    assert DiskSpace.of(disk).free_bytes >= MIN_RESERVE_BYTES
    filler.unlink()
    reserve.tick()
    assert reserve.path.exists()
