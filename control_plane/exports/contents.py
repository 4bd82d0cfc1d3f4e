"""The files of a package: angles, the grid, the roster, the manifest."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime

from control_plane.common.names import clean_name
from control_plane.exports.footage import AnglePlan, FootagePlan, OpenedSegment, read_angle
from control_plane.exports.media.angle import AngleFacts, Bounds, angle_files
from control_plane.exports.media.grid import GridFile, GridLayout
from control_plane.exports.models import Export
from control_plane.exports.package import PackageFile
from shared import __version__

FORMAT = 1


def package_files(
    export: Export, plan: FootagePlan, opened: OpenedSegment, roster: Callable[[], bytes]
) -> Iterator[PackageFile]:
    """Yields the files of a package, each to be read to its end before the next.

    Args:
        opened: opens a segment, if the export may go on.
        roster: returns the names of the dancers as CSV.

    Raises:
        MediaError, FootageDamaged, ControlPlaneError: on reading.
    """
    # The bounds of the plan: all files have the same instant as their time 0.
    bounds = Bounds(plan.from_at, plan.to_at, whole_fragments=export.whole_fragments)
    described: list[dict[str, object]] = []
    for number, angle in enumerate(plan.angles, start=1):
        for further, file in enumerate(angle_files(read_angle(angle, opened), bounds), start=1):
            name = _file_name(number, angle.track.name, further)
            yield PackageFile(name, file)
            described.append(_described(name, angle, file.facts))
    if export.side_by_side:
        layout = GridLayout(burn_in_time=export.burn_in_time)
        angles = [read_angle(angle, opened) for angle in plan.angles]
        grid = GridFile(angles, Bounds(plan.from_at, plan.to_at), layout)
        yield PackageFile("side-by-side.mp4", grid)
        described.append({"name": "side-by-side.mp4", "frames": grid.frames, "fps": layout.fps})
    if export.with_roster:
        yield PackageFile("roster.csv", [roster()])
    yield PackageFile("manifest.json", [_manifest(export, plan, described)])


def _manifest(export: Export, plan: FootagePlan, described: list[dict[str, object]]) -> bytes:
    """Returns `manifest.json`; times are in UTC."""
    body = {
        "format": FORMAT,
        "software": f"3Dance {__version__}",
        "export": str(export.id),
        "class": {"id": str(export.class_session_id), "title": export.class_session.title},
        "from": _text(plan.from_at),
        "to": _text(plan.to_at),
        "whole_fragments": export.whole_fragments,
        "files": described,
    }
    return json.dumps(body, indent=2, ensure_ascii=False).encode() + b"\n"


def _described(name: str, angle: AnglePlan, facts: AngleFacts) -> dict[str, object]:
    rows = [item for segment in angle.segments for item in segment.fragments]
    return {
        "name": name,
        "camera": angle.track.name,
        "position": angle.track.position,
        "first_frame": _text(facts.first_at),
        "last_frame": _text(facts.last_at),
        "frames": facts.frames,
        "encoded_again": facts.reencoded_frames,
        "gaps": [{"from": _text(from_at), "to": _text(to_at)} for from_at, to_at in facts.gaps],
        "fragments": [
            {"from": _text(item.from_at), "to": _text(item.to_at), "frames": item.row.frames} for item in rows
        ],
    }


def _file_name(number: int, camera: str, further: int) -> str:
    plain = "".join(one if one.isalnum() else "-" for one in clean_name(camera)).strip("-").lower()
    again = f"-{further}" if further > 1 else ""
    return f"{number}-{plain[:60] or 'camera'}{again}.mp4"


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
