"""Checks a video file before it is added to the list."""

import os
import shlex
from pathlib import Path

from edge_agent.errors import CameraFailed, SettingsInvalid
from edge_agent.sources.audio_format import recorded_as
from edge_agent.sources.file_source import FileSource
from edge_agent.sources.packet import StreamInfo
from shared.kernel.clock import SystemClock
from shared.kernel.folders import NoHome, expanded


def video_file(path: Path) -> tuple[Path, str]:
    """Returns the full path of a video file, and a description of its streams.

    Raises:
        SettingsInvalid: it does not exist, cannot be read, or is not a video that can act as a camera.
    """
    try:
        file = expanded(path).resolve()
        is_there = file.is_file()
    except (OSError, RuntimeError, ValueError, NoHome) as error:
        # A loop of links, an invalid name, a `~` of an unknown user.
        raise SettingsInvalid(
            f"there is no file {str(path)[:200]}: {error}", "Give the path of a video file."
        ) from error
    if not is_there:
        raise SettingsInvalid(f"there is no file {file}", "Give the path of a video file on this machine.")
    if not os.access(file, os.R_OK):
        raise SettingsInvalid(
            f"{file} cannot be read by this user", f"Run: chmod a+r {shlex.quote(str(file))}"
        )
    source = FileSource(file, with_audio=True, clock=SystemClock())
    try:
        return file, carried(source.open())
    except CameraFailed as failed:
        raise SettingsInvalid(
            f"{file} cannot act as a camera ({failed.detail})",
            "Give a video with H.264 or H.265 pictures. To make one: ffmpeg -i FILE -c:v libx264 -c:a aac VIDEO.mp4",
        ) from failed
    finally:
        source.close()


def carried(info: StreamInfo) -> str:
    """Returns a description of a source's streams: codec, size, rate and sound."""
    video = info.video
    sound = "no sound"
    if info.audio is not None:
        sound = (
            info.audio.codec if recorded_as(info.audio) else f"{info.audio.codec}, which cannot be recorded"
        )
    return f"{video.codec} {video.width}x{video.height}, {video.fps:.0f} fps, {sound}"
