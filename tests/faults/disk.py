"""A real class through a full disk of the server, once for its bytes and once for its inodes, held so for minutes."""

import subprocess
import tempfile
from pathlib import Path

from tests.e2e.full_disk import DISK_MIB, Figures, Kind, fill_and_free
from tests.e2e.installation import CONTROL_PLANE, Installation, installation
from tests.rigs.small_disk import small_disk, why_no_small_disk
from tools.demo_scene.render import default_cache, ensure_media

BACK_S = 60.0
"""The bar: from the freed disk until pages are as ever."""
OPTIONS = {Kind.BYTES: (), Kind.INODES: ("nr_inodes=6000",)}
HEADS = (
    "a full disk of the server, a class of three cameras under way",
    "until uploads are refused, s",
    "full until every page says so, s",
    "held full, s",
    "refused connections",
    "freed until pages are as ever, s",
    "freed until the class is complete, s",
    "segments kept by the agent",
    "segments lost",
)


def run(held_s: float) -> int:
    """Fills and frees, prints, and returns how many promises were broken."""
    if why := why_no_small_disk():
        print(f"disk: {why}")
        return 1
    media = ensure_media(default_cache(), lambda part, what: None)
    print("| " + " | ".join(HEADS) + " |\n|" + "---|" * len(HEADS), flush=True)
    broken = 0
    for kind in Kind:
        with tempfile.TemporaryDirectory(prefix="threedance-full-") as made:
            folder = Path(made)
            folder.chmod(0o711)
            with (
                small_disk(folder / "state", DISK_MIB, *OPTIONS[kind]),
                installation(folder, media) as installed,
            ):
                broken += _report(installed, kind, fill_and_free(installed, held_s=held_s, kind=kind))
    return broken


def _report(installed: Installation, kind: Kind, figures: Figures) -> int:
    told = installed.ask("progress", class_id=figures.class_id)
    lost = told["segments_made"] - told["segments_arrived"]
    refused = sum(status is None for status in figures.seen.statuses)
    cells = (
        f"no {kind} left",
        f"{figures.refused_s:.1f}",
        f"{figures.page_s:.1f}",
        f"{figures.held_s:.0f}",
        str(refused),
        f"{figures.back_s:.1f}",
        f"{figures.uploaded_s:.1f}",
        str(figures.kept_segments),
        str(lost),
    )
    print("| " + " | ".join(cells) + " |", flush=True)
    check = [*CONTROL_PLANE, "fsck", "--state", str(installed.state), "--depth", "hash"]
    is_intact = subprocess.run(check, capture_output=True, check=False, timeout=600).returncode == 0
    is_whole = told["state"] == "complete" and not lost
    return sum((not is_intact, not is_whole, bool(refused), figures.back_s > BACK_S))
