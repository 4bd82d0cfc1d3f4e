"""Cost of an export beside FFmpeg: an hour of three cameras copied, and a minute of them side by side.

The export decrypts every fragment, hashes the files and encrypts the package again, as its job does; FFmpeg reads plain
files and writes plain ones. Side by side, both decode, scale, stack and encode with the same settings of x264. Each runs
in a process of its own, one after the other, in turns.
"""

import hashlib
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from control_plane.exports.media.angle import Bounds, angle_files
from control_plane.exports.media.grid import GridFile, GridLayout
from control_plane.exports.sources import SourceFragment, SourceSegment
from tests.control_plane.footage import MOVFLAGS, START_AT, film_of
from tests.media import make_video

FILM_S, CLASS_S = 60, int(os.environ.get("THREEDANCE_BENCH_CLASS_S", "3600"))
SEGMENT_S, CAMERAS, ROUNDS = 10, 3, 3
SIZE, LAYOUT = (1280, 720), GridLayout()
KEY, IV = bytes(16), bytes(16)
"""Any will do: the work of AES does not depend on them."""


def measure(folder: Path) -> dict[str, Any]:
    """Returns CPU seconds and seconds of both, medians over the rounds, their ratios, and the peak memory of the export."""
    folder.mkdir(parents=True)
    film = make_video(folder / "film.mp4", seconds=FILM_S, size=SIZE, options={"movflags": MOVFLAGS})
    hour = folder / "hour.mp4"
    _ffmpeg("-stream_loop", str(CLASS_S // FILM_S - 1), "-i", str(film), "-c", "copy", str(hour))
    ours = [sys.executable, "-m", "tests.bench.export"]
    pairs = {
        "copy": ([*ours, "copy", str(film), str(folder / "ours.zip")], _copies(hour, folder)),
        "grid": ([*ours, "grid", str(film), str(folder / "grid.mp4")], [_stack(film, folder)]),
    }
    result: dict[str, Any] = {"class_s": CLASS_S, "grid_s": FILM_S, "mb": hour.stat().st_size * CAMERAS / 1e6}
    for name, (mine, theirs) in pairs.items():
        rounds = [(_timed([mine]), _timed(theirs)) for _ in range(ROUNDS)]
        result[name] = {
            "ours": [statistics.median(mine[i] for mine, _ in rounds) for i in range(2)],
            "ffmpeg": [statistics.median(peer[i] for _, peer in rounds) for i in range(2)],
            "peak_mb": int(Path(f"{mine[-1]}.peak").read_text()) / 1000,
            "cpu_ratio": statistics.median(mine[0] / peer[0] for mine, peer in rounds),
            "time_ratio": statistics.median(mine[1] / peer[1] for mine, peer in rounds),
        }
    return result


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    rows = [
        "| what | export: CPU-s, s | peak MB | FFmpeg: CPU-s, s | CPU ratio | time ratio |",
        "|---|---|---|---|---|---|",
    ]
    names = {
        "copy": f"{CAMERAS} angles of {result['class_s'] / 60:.0f} min, {result['mb']:.0f} MB, copied",
        "grid": f"{result['grid_s']} s of {CAMERAS} angles side by side",
    }
    for name, title in names.items():
        row = result[name]
        figures = [", ".join(f"{value:.1f}" for value in row[who]) for who in ("ours", "ffmpeg")]
        rows.append(
            f"| {title} | {figures[0]} | {row['peak_mb']:.0f} | {figures[1]} | {row['cpu_ratio']:.2f}"
            f" | {row['time_ratio']:.2f} |"
        )
    return "\n".join(rows)


def _timed(commands: list[list[str]]) -> tuple[float, float]:
    """Returns CPU seconds and seconds of commands, one after the other."""
    cpu_s, began_s = 0.0, time.monotonic()
    for command in commands:
        process = subprocess.Popen(command)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise RuntimeError(f"{command[0]} ended with {status}.")
        cpu_s += used.ru_utime + used.ru_stime
    return cpu_s, time.monotonic() - began_s


def _copies(hour: Path, folder: Path) -> list[list[str]]:
    return [
        ["ffmpeg", "-nostdin", "-loglevel", "error", "-i", str(hour), "-c", "copy", "-y", str(folder / f"{number}.mp4")]
        for number in range(CAMERAS)
    ]  # fmt: skip


def _stack(film: Path, folder: Path) -> list[str]:
    width, height = LAYOUT.cell
    cells = ";".join(f"[{n}:v]fps={LAYOUT.fps},scale={width}:{height}[c{n}]" for n in range(CAMERAS))
    places = "|".join(f"{n * width}_0" for n in range(CAMERAS))
    stack = "".join(f"[c{n}]" for n in range(CAMERAS)) + f"xstack=inputs={CAMERAS}:layout={places}[all]"
    return [
        "ffmpeg", "-nostdin", "-loglevel", "error", *("-i", str(film)) * CAMERAS,
        "-filter_complex", f"{cells};{stack}", "-map", "[all]", "-c:v", "libx264", "-preset", LAYOUT.preset,
        "-crf", str(LAYOUT.crf), "-g", str(LAYOUT.fps * 2), "-y", str(folder / "stack.mp4"),
    ]  # fmt: skip


def _ffmpeg(*arguments: str) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", *arguments], check=True)


def _sealed(plain: bytes) -> bytes:
    padder, encryptor = PKCS7(128).padder(), Cipher(algorithms.AES(KEY), modes.CBC(IV)).encryptor()
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def _opened(sealed: bytes) -> bytes:
    unpadder, decryptor = PKCS7(128).unpadder(), Cipher(algorithms.AES(KEY), modes.CBC(IV)).decryptor()
    return unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()


def _stored(film: Path, length_s: int) -> Iterator[SourceSegment]:
    """Yields a class of `length_s`: the film again and again, sealed."""
    made = film_of(film)
    sealed = [_sealed(plain) for plain in made.fragments]
    for first in range(0, length_s, SEGMENT_S):
        fragments = []
        for second in range(first, first + SEGMENT_S):
            content = sealed[second % len(sealed)]
            begin = START_AT + timedelta(seconds=second)
            end = begin + timedelta(seconds=1)
            fragments.append(SourceFragment(begin, end, len(content), partial(_opened, content)))
        yield SourceSegment(made.init, fragments)


def main(what: str, film: str, target: str) -> None:
    """Makes one export, and notes the peak of this process's memory in kB beside it."""
    _export(what, film, Path(target))
    # Not `ru_maxrss`: a child inherits that of its parent.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    Path(f"{target}.peak").write_text(peak)


def _export(what: str, film: str, target: Path) -> None:
    with target.open("wb") as out:
        if what == "grid":
            bounds = Bounds(START_AT, START_AT + timedelta(seconds=FILM_S))
            grid = GridFile([_stored(Path(film), FILM_S) for _ in range(CAMERAS)], bounds, LAYOUT)
            for part in grid:
                out.write(_sealed(part))
            return
        for _ in range(CAMERAS):
            for file in angle_files(_stored(Path(film), CLASS_S), Bounds()):
                digest = hashlib.sha256()
                for part in file:
                    digest.update(part)
                    out.write(_sealed(part))


if __name__ == "__main__":
    main(*sys.argv[1:])
