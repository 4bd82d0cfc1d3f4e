"""Renders the demo cameras: `python -m tools.demo_scene.render --out DIR`.

DIR then holds `left.mp4`, `centre.mp4` and `right.mp4` (one loop each), `calibration.json` (the camera models),
`truth.npz` (every joint on every frame, in metres) and `loop.json` with a hash of the sources. `loop.json` is written last:
a folder with the current hash is complete and is used as it is.
"""

import argparse
import fcntl
import hashlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import av
import numpy as np
import PIL
from numpy.typing import NDArray

from shared.kernel.folders import cache_base
from tools.demo_scene import music
from tools.demo_scene.backdrop import Backdrop, trace_backdrop
from tools.demo_scene.body_mesh import BodyMesh, build_body_mesh
from tools.demo_scene.camera_model import CAMERA_MODELS, calibration
from tools.demo_scene.encode import encode_audio, encode_pictures, write_loop
from tools.demo_scene.lighting import Lighting
from tools.demo_scene.loop import BEATS_PER_MINUTE, CAMERAS, FPS, FRAMES, GOP_FRAMES, HEIGHT, LOOP_S, WIDTH
from tools.demo_scene.motion import Motion, compute_motion
from tools.demo_scene.scene import FloorShadow, Scene

SOURCES = (
    "loop", "camera_model", "curves", "choreography", "motion", "body_mesh", "rasterizer", "lighting", "backdrop", "scene",
    "overlay", "frame_code", "music", "encode",
)  # fmt: skip

Progress = Callable[[float, str], None]
Coded = list[tuple[bytes, bool]]


def media_key() -> str:
    """Returns a short hash of the sources of the renderer and the versions of its libraries."""
    digest = hashlib.sha256(repr((av.__version__, np.__version__, PIL.__version__)).encode())
    for name in SOURCES:
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]


def is_complete(folder: Path) -> bool:
    """Returns whether a folder holds the media that this renderer would make."""
    try:
        facts = json.loads((folder / "loop.json").read_text())
    except (OSError, ValueError):
        return False
    return facts.get("key") == media_key() and all((folder / f"{name}.mp4").is_file() for name in CAMERAS)


def ensure_media(cache: Path, progress: Progress) -> Path:
    """Returns a folder in `cache` with the media, and renders them first if they are missing.

    Args:
        cache: A folder for the media of several versions.
        progress: Called with the completed share, 0 to 1, and the name of the step.

    Raises:
        OSError: the cache cannot be written.
    """
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"cameras-{media_key()}"
    # A second process waits for the first and finds the media.
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_complete(folder):
            render_media(folder, progress)
    return folder


def default_cache() -> Path:
    """Returns the folder in which the media of this user are cached.

    Raises:
        NoHome: the user has no home folder, as often in a container.
    """
    return cache_base() / "threedance" / "demo"


def render_media(folder: Path, progress: Progress) -> None:
    """Renders and encodes all cameras into `folder`, on all cores; about 25 s on two.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "loop.json").unlink(missing_ok=True)
    runs = [range(start, start + GOP_FRAMES) for start in range(0, FRAMES, GOP_FRAMES)]
    # Spawn, not fork: a fork of a program with threads may inherit a locked lock.
    context = multiprocessing.get_context("spawn")
    workers = max(1, min(len(os.sched_getaffinity(0)), len(runs)))
    coded: dict[str, dict[int, Coded]] = {name: {} for name in CAMERAS}
    with (
        tempfile.TemporaryDirectory(prefix="backdrops-", dir=folder) as scratch,
        ProcessPoolExecutor(workers, context) as pool,
    ):
        progress(0.0, "tracing the room")
        tracing = [pool.submit(_trace, index, scratch) for index in range(len(CAMERAS))]
        audio = pool.submit(_encode_audio)
        for count, done in enumerate(as_completed(tracing), 1):
            done.result()
            progress(0.04 * count, "tracing the room")
        drawing = [pool.submit(_draw_run, run, scratch) for run in runs]
        for count, future in enumerate(as_completed(drawing), 1):
            start, parts = future.result()
            for name, part in parts.items():
                coded[name][start] = part
            progress(0.12 + 0.86 * count / len(runs), "drawing the dance")
        for name in CAMERAS:
            joined = [picture for start in sorted(coded[name]) for picture in coded[name][start]]
            write_loop(folder / f"{name}.mp4", joined, audio.result())
    _write_facts(folder)
    progress(1.0, "done")


def _write_facts(folder: Path) -> None:
    (folder / "calibration.json").write_text(json.dumps(calibration(), indent=1) + "\n")
    joints = compute_motion().joints
    np.savez_compressed(
        folder / "truth.npz",
        names=np.array(list(joints)),
        joints_m=np.stack(list(joints.values()), axis=1).astype(np.float32),
    )
    facts = {
        "key": media_key(), "size_px": [WIDTH, HEIGHT], "fps": FPS, "frames": FRAMES, "loop_s": LOOP_S,
        "gop_frames": GOP_FRAMES, "beats_per_minute": BEATS_PER_MINUTE, "cameras": list(CAMERAS),
    }  # fmt: skip
    unfinished = folder / f".loop.json.{os.getpid()}"
    unfinished.write_text(json.dumps(facts, indent=1) + "\n")
    unfinished.replace(folder / "loop.json")


# The functions below run in the worker processes.

_stage: tuple[Motion, BodyMesh, FloorShadow, list[Scene]] | None = None


def _trace(index: int, scratch: str) -> None:
    backdrop = trace_backdrop(CAMERA_MODELS[index])
    np.savez(
        Path(scratch) / f"{index}.npz", picture=backdrop.picture, mirror=backdrop.mirror, floor=backdrop.floor
    )


def _encode_audio() -> list[bytes]:
    return encode_audio(music.loop_audio())


def _set_stage(scratch: str) -> tuple[FloorShadow, list[Scene]]:
    """Builds everything that all frames share, once in each worker."""
    global _stage  # a cache of the worker process
    if _stage is None:
        lighting = Lighting()
        motion = compute_motion()
        body = build_body_mesh(motion)
        scenes = []
        for index, camera in enumerate(CAMERA_MODELS):
            with np.load(Path(scratch) / f"{index}.npz") as stored:
                backdrop = Backdrop(stored["picture"], stored["mirror"], stored["floor"])
            scenes.append(Scene(camera, backdrop, body, lighting))
        _stage = motion, body, FloorShadow(body, lighting), scenes
    return _stage[2], _stage[3]


def _draw_run(run: range, scratch: str) -> tuple[int, dict[str, Coded]]:
    """Draws and encodes one group of pictures for every camera; all cameras share the shadow on the floor."""
    floor, scenes = _set_stage(scratch)
    shadows: list[NDArray[np.uint8]] = [floor.draw(frame) for frame in run]
    parts = {
        camera.name: encode_pictures(
            scene.draw(frame, shadow) for frame, shadow in zip(run, shadows, strict=True)
        )
        for camera, scene in zip(CAMERA_MODELS, scenes, strict=True)
    }
    return run.start, parts


def main(arguments: list[str] | None = None) -> int:
    """Renders from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.demo_scene.render", description="Renders the demo cameras."
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, help="the folder for the media")
    where.add_argument(
        "--cache", type=Path, help="cache them in this folder by hash, and print the folder of the media"
    )
    parser.add_argument("--force", action="store_true", help="render even if the media exist")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    shown = -5

    def show(part: float, what: str) -> None:
        nonlocal shown
        if int(part * 100) >= shown + 5:
            shown = int(part * 100)
            print(f"{shown:3d} %  {what}  ({time.monotonic() - began:.0f} s)", flush=True)

    try:
        if options.cache:
            folder = ensure_media(options.cache, show)
        else:
            folder = options.out
            if is_complete(folder) and not options.force:
                print(f"nothing to do: {folder} is complete")
                return 0
            render_media(folder, show)
    except OSError as error:
        print(f"cannot write the media in {options.cache or options.out}: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in folder.glob("*.mp4"))
    print(f"{FRAMES} frames of {len(CAMERAS)} cameras, {size / 1e6:.1f} MB, {time.monotonic() - began:.1f} s")
    if options.cache:
        print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
