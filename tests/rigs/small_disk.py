"""A disk of its own and of any size, for the length of a block: what is full, read-only or out of inodes there is real."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory


@cache
def why_no_small_disk() -> str:
    """Returns why this process cannot make one, or an empty text."""
    if os.geteuid() != 0:
        return "only root may mount a small disk"
    with TemporaryDirectory(prefix="small-disk-") as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "none", folder], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        # A container may keep even its root from it.
        return (
            ""
            if done.returncode == 0
            else f"only root outside of a container may mount: {done.stderr.strip()}"
        )


@contextlib.contextmanager
def small_disk(folder: Path, size_mib: int, *options: str) -> Iterator[Path]:
    """Mounts a disk (tmpfs) of `size_mib` at `folder`, which is made; `options` are mount's."""
    folder.mkdir(parents=True)
    told = ",".join((f"size={size_mib}m", "mode=0755", *options))
    subprocess.run(["mount", "-t", "tmpfs", "-o", told, "none", str(folder)], check=True, capture_output=True)
    try:
        yield folder
    finally:
        # A process that still runs there keeps it until it ends.
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def remount(folder: Path, *options: str) -> None:
    """Changes the options of a mounted disk, such as `ro`."""
    told = ",".join(("remount", *options))
    subprocess.run(["mount", "-o", told, str(folder)], check=True, capture_output=True)
