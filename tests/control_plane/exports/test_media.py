"""Files of an export: every picture once and in order, cut to the picture, in sync, and written as they are read."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from functools import partial
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest

from control_plane.exports.media.angle import AngleFacts, Bounds, angle_files
from control_plane.exports.media.grid import GridFile, GridLayout
from control_plane.exports.sources import SourceFragment, SourceSegment
from tests.control_plane.footage import FPS, MOVFLAGS, START_AT, Film, film_of
from tests.media import make_video, number_of, stamped_numbers

FORMATS: dict[str, dict[str, Any]] = {
    "h264": {},
    "h264-reordered": {"b_frames": 2},
    "h265": {"codec": "h265"},
    "h265-reordered": {"codec": "h265", "b_frames": 2},
    "h264-aac": {"audio": "aac"},
}
SECONDS = 6


def at(seconds: float) -> Any:
    return START_AT + timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Film]:
    """One film in each format: numbered pictures, a fragment a second."""
    folder = tmp_path_factory.mktemp("films")
    return {
        name: film_of(
            make_video(folder / f"{name}.mp4", seconds=SECONDS, options={"movflags": MOVFLAGS}, **facts)
        )
        for name, facts in FORMATS.items()
    }


def segments(film: Film, *, each: int = 2, late: dict[int, float] | None = None) -> list[SourceSegment]:
    """Returns a film as segments of `each` fragments; `late`: by how much the fragments from a number on are later."""
    made: list[SourceSegment] = []
    shift = 0.0
    for first in range(0, len(film.fragments), each):
        fragments = []
        for number, plain in enumerate(film.fragments[first : first + each], start=first):
            shift = (late or {}).get(number, shift)
            begin = at(number + shift)
            fragments.append(
                SourceFragment(begin, begin + timedelta(seconds=1), len(plain), partial(bytes, plain))
            )
        made.append(SourceSegment(film.init, fragments))
    return made


def exported(source: Sequence[SourceSegment], bounds: Bounds) -> tuple[bytes, AngleFacts]:
    (file,) = [(b"".join(item), item.facts) for item in angle_files(source, bounds)]
    return file


def shown(data: bytes) -> list[tuple[float, int]]:
    """Returns the time in seconds and the number of each picture."""
    return [(ticks / 90_000, number) for ticks, number in stamped_numbers(data)]


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_angle_holds_every_picture_once(films: dict[str, Film], name: str) -> None:
    data, facts = exported(segments(films[name]), Bounds())
    pictures = shown(data)
    assert [number for _, number in pictures] == list(range(SECONDS * FPS))
    assert [time for time, _ in pictures] == pytest.approx([n / FPS for n in range(SECONDS * FPS)], abs=1e-4)
    assert (facts.frames, facts.reencoded_frames, facts.gaps) == (SECONDS * FPS, 0, [])
    assert facts.first_at == at(0)
    assert facts.last_at is not None
    assert abs(facts.last_at - at(SECONDS - 1 / FPS)) <= timedelta(microseconds=1)


@pytest.mark.parametrize("name", FORMATS)
def test_a_cut_is_exact_to_the_picture(films: dict[str, Film], name: str) -> None:
    data, facts = exported(segments(films[name]), Bounds(at(1.5), at(4.2)))
    pictures = shown(data)
    assert [number for _, number in pictures] == list(range(45, 126))
    assert pictures[0][0] == pytest.approx(0, abs=1e-4)
    assert pictures[-1][0] == pytest.approx(4.2 - 1.5 - 1 / FPS, abs=1e-4)
    # Of the group before the in point fifteen; of the last only where a picture may need a later one.
    assert facts.reencoded_frames == (21 if "reordered" in name else 15)


def test_whole_fragments_are_copied_and_stay_inside_the_bounds(films: dict[str, Film]) -> None:
    data, facts = exported(segments(films["h264"]), Bounds(at(1.5), at(4.2), whole_fragments=True))
    assert [number for _, number in shown(data)] == list(range(60, 120))
    assert (facts.first_at, facts.reencoded_frames) == (at(2), 0)


def test_only_what_is_wanted_is_read_and_while_it_is_written(films: dict[str, Film]) -> None:
    read: list[Any] = []

    def noted(fragment: SourceFragment) -> bytes:
        read.append(fragment.from_at)
        return fragment.read()

    counted = [
        SourceSegment(segment.init, [replace(item, read=partial(noted, item)) for item in segment.fragments])
        for segment in segments(films["h264"])
    ]
    file = next(angle_files(counted, Bounds(at(1.5), at(4.2))))
    done = [len(read) for part in file if part]
    assert read == [at(1), at(2), at(3), at(4)]
    assert done[0] < len(read)


def test_a_gap_stays_a_gap(films: dict[str, Film]) -> None:
    data, facts = exported(segments(films["h264"], late={3: 5.0}), Bounds())
    assert facts.gaps == [(at(3), at(8))]
    times = {number: time for time, number in shown(data)}
    assert times[89] == pytest.approx(3 - 1 / FPS, abs=1e-4)
    assert times[90] == pytest.approx(8, abs=1e-4)


def test_a_camera_that_starts_late_starts_late_in_its_file(films: dict[str, Film]) -> None:
    data, _ = exported(segments(films["h264"], late={0: 0.25}), Bounds(at(0), at(4)))
    assert shown(data)[0] == pytest.approx((0.25, 0), abs=1e-4)


def test_a_change_of_format_begins_a_further_file(films: dict[str, Film]) -> None:
    source = [*segments(films["h264"])[:2], *segments(films["h265"])[2:]]
    files = [(b"".join(item), item.facts) for item in angle_files(source, Bounds())]
    assert [[number for _, number in shown(data)] for data, _ in files] == [
        list(range(4 * FPS)), list(range(4 * FPS, 6 * FPS)),
    ]  # fmt: skip
    assert files[1][1].first_at == at(4)


def test_the_next_file_waits_until_one_is_read(films: dict[str, Film]) -> None:
    source = [*segments(films["h264"])[:2], *segments(films["h265"])[2:]]
    files = angle_files(source, Bounds())
    next(files)
    with pytest.raises(RuntimeError, match="to its end"):
        next(files)


def test_bounds_without_pictures_make_no_file(films: dict[str, Film]) -> None:
    assert list(angle_files(segments(films["h264"]), Bounds(at(100), at(101)))) == []


def test_sound_is_cut_with_the_pictures(films: dict[str, Film]) -> None:
    data, _ = exported(segments(films["h264-aac"]), Bounds(at(1.5), at(4.2)))
    with av.open(BytesIO(data), "r") as media:
        times = [
            float(packet.pts * Fraction(packet.time_base or 0))
            for packet in media.demux(audio=0)
            if packet.pts is not None
        ]
    assert times[0] == pytest.approx(0, abs=0.03)
    assert times[-1] == pytest.approx(2.7, abs=0.03)
    steps = np.diff(times)
    assert steps.max() < 0.025
    assert steps.min() > 0.018


def test_a_damaged_fragment_is_an_error(films: dict[str, Film]) -> None:
    film = films["h264"]
    damaged = Film(b"\0" * len(film.init), film.fragments)
    with pytest.raises(av.error.FFmpegError):
        exported(segments(damaged), Bounds())


# --- side by side ---------------------------------------------------------------------------------------------------


def cells(data: bytes, count: int) -> Iterator[list[int | None]]:
    """Yields the numbers that the angles of a grid show, picture by picture; None: the cell is black."""
    with av.open(BytesIO(data), "r") as media:
        for frame in media.decode(video=0):
            luma = frame.to_ndarray(format="gray")
            width = luma.shape[1] // count
            parts: list[Any] = [
                np.ascontiguousarray(luma[:, n * width : (n + 1) * width]) for n in range(count)
            ]
            yield [
                None if part.max() < 40 else number_of(av.VideoFrame.from_ndarray(part, format="gray"))
                for part in parts
            ]


@pytest.mark.parametrize("burn_in_time", [False, True])
def test_a_grid_shows_the_same_instant_in_every_cell(films: dict[str, Film], burn_in_time: bool) -> None:
    names = "h264", "h264-reordered", "h265"
    layout = GridLayout(cell=(320, 180), burn_in_time=burn_in_time)
    grid = GridFile([segments(films[name]) for name in names], Bounds(at(1.5), at(4.2)), layout)
    found = list(cells(b"".join(grid), 3))
    assert grid.frames == len(found) == 81
    assert found == [[number] * 3 for number in range(45, 126)]


def test_a_cell_is_black_where_a_camera_has_a_gap(films: dict[str, Film]) -> None:
    angles = [segments(films["h264"]), segments(films["h265"], late={2: 1.0})]
    grid = GridFile(angles, Bounds(at(0), at(5)), GridLayout(cell=(320, 180)))
    found = list(cells(b"".join(grid), 2))
    assert len(found) == 150
    assert [left for left, _ in found] == list(range(150))
    assert [right for _, right in found] == [*range(60), *[None] * 30, *range(60, 120)]


def test_a_late_and_a_short_angle_are_black_before_and_after(films: dict[str, Film]) -> None:
    angles = [segments(films["h264"]), segments(films["h264"], late={0: 1.0})[:1]]
    grid = GridFile(angles, Bounds(at(0), at(4)), GridLayout(cell=(320, 180)))
    found = [right for _, right in cells(b"".join(grid), 2)]
    assert found == [*[None] * 30, *range(60), *[None] * 30]


def test_a_grid_of_one_angle_and_bad_grids(films: dict[str, Film]) -> None:
    grid = GridFile([segments(films["h264"])], Bounds(at(0), at(1)), GridLayout(cell=(320, 180)))
    assert list(cells(b"".join(grid), 1)) == [[number] for number in range(30)]
    with pytest.raises(ValueError, match="1 to 9"):
        GridFile([], Bounds(at(0), at(1)), GridLayout())
    with pytest.raises(ValueError, match="both bounds"):
        GridFile([[]], Bounds(), GridLayout())
