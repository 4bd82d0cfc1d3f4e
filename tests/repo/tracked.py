"""The files that git tracks or would track, and their text."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN = ("shared", "edge_agent", "control_plane", "launcher", "deploy", "tools")
PACKAGES = (*OWN, "tests")


@cache
def tracked_files() -> tuple[Path, ...]:
    """Returns every file that is tracked or would be with the next `git add`, relative to the checkout.

    In an unpacked archive, which git does not know, these are all files outside of hidden folders.
    """
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        found = [Path(name) for name in done.stdout.split("\0") if name]
    else:
        found = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        found = [path for path in found if not any(part.startswith(".") for part in path.parts[:-1])]
    return tuple(sorted(path for path in found if (ROOT / path).is_file()))


def with_suffix(*suffixes: str, under: str = "") -> list[Path]:
    """Returns the tracked files with one of these endings, in a folder."""
    return [path for path in tracked_files() if path.suffix in suffixes and str(path).startswith(under)]


@cache
def text_of(path: Path) -> str:
    """Returns a file's text; empty for one that is no text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def places(pattern_found: dict[Path, list[str]]) -> str:
    """Returns findings one a line, for the message of an assertion."""
    return "\n".join(f"{path}: {what}" for path, found in sorted(pattern_found.items()) for what in found)
