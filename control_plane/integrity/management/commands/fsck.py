"""`fsck`: compares segment rows with the object stores; run as `threedance fsck`."""

import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from control_plane.common.errors import ControlPlaneError
from control_plane.common.scoping import platform_scope, studio_scope
from control_plane.integrity.inspect import (
    SYSTEM,
    Chunk,
    count_segments,
    recheck,
    scan_segments,
    stores_in_use,
)
from control_plane.integrity.models import ScanDepth
from control_plane.integrity.repairs import request_resends
from control_plane.recordings.damage_models import DamageKind, RepairState, SegmentDamage
from control_plane.storage.models import StudioStore
from control_plane.tenancy.models import Studio

LOG_INTERVAL_S = 5.0
TERMINAL_INTERVAL_S = 0.2
FINDINGS, BAD_USE = 1, 2


@dataclass
class StoreResult:
    """The result of one store of one studio: a row of the final table."""

    studio: str
    store: str
    segments: int
    checked: int = 0
    size_bytes: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    intact_again: int = 0
    unavailable: int = 0
    error_text: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether all objects were inspected and are intact."""
        return not (self.kinds or self.unavailable or self.error_text)


class Command(BaseCommand):
    """Inspects the object of every segment row."""

    help = "Compare the footage in the database with the object stores. Exit code: 0 clean, 1 findings, 2 usage error."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Adds `--depth`, `--studio` and `--repair`."""
        parser.add_argument(
            "--depth",
            choices=ScanDepth.values,
            default=ScanDepth.SIZE.value,
            help="presence: does it exist; size: is it complete; hash: is it unchanged (reads everything)",
        )
        parser.add_argument(
            "--studio", action="append", default=[], help="slug of a studio; can be repeated; default: all"
        )

        parser.add_argument("--repair", action="store_true", help="ask agents to send damaged segments again")

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: there are findings (exit code 1), or a named studio does not exist (2).
        """
        depth = ScanDepth(options["depth"])
        begun_s = time.monotonic()
        lines: list[StoreResult] = []
        for studio_id, label in _chosen_studios(options["studio"]):
            lines += self._check_studio(studio_id, label, depth)
            if options["repair"]:
                with studio_scope(studio_id):
                    lost = SegmentDamage.objects.filter(repair=RepairState.LOST).count()
                    asked = request_resends(actor=SYSTEM, lost_too=True)
                self.stdout.write(
                    f"{label}: {asked} segments requested again from agents; of {lost} they had reported that"
                    " they have no intact copy"
                )
        self._print_table(lines, depth, time.monotonic() - begun_s)
        if lines and not options["studio"]:
            # More people can read the log of a nightly run than may know the names of all studios.
            self.stdout.write(
                f"Studios are listed by id; operators find their names at {settings.PUBLIC_URL}/operator/studios/ID/"
            )
        if not all(line.is_clean for line in lines):
            raise CommandError(
                "some objects are damaged or could not be checked; see above", returncode=FINDINGS
            )

    def _check_studio(self, studio_id: UUID, label: str, depth: ScanDepth) -> Iterator[StoreResult]:
        with studio_scope(studio_id):
            stores = [(store_id, count_segments(store_id)) for store_id in stores_in_use()]
            names = dict(StudioStore.objects.values_list("id", "name"))
        for store_id, count in stores:
            line = StoreResult(label, names.get(store_id, "platform"), count)
            progress = _Progress(line, self.stderr)
            try:
                for part in recheck(studio_id, store_id):
                    self._add_chunk(line, part)
                    progress.print_progress()
                for part in scan_segments(studio_id, store_id, depth):
                    self._add_chunk(line, part)
                    progress.print_progress()
            except ControlPlaneError as error:
                line.error_text = error.detail or type(error).__name__
                self.stdout.write(f"{label}: the store {line.store} cannot be checked: {line.error_text}")
            progress.close()
            yield line

    def _add_chunk(self, line: StoreResult, part: Chunk) -> None:
        for seen in part.seen:
            line.checked += 1
            line.size_bytes += seen.item.size_bytes
            line.kinds.update([seen.kind.value] if seen.kind else [])
            line.unavailable += bool(seen.unavailable)
            if problem := seen.unavailable or seen.detail:
                self.stdout.write(f"{line.studio}: {seen.item.key}: {problem}")
        line.intact_again += len(part.cleared)

    def _print_table(self, lines: Sequence[StoreResult], depth: ScanDepth, took_s: float) -> None:
        heads = (
            "studio",
            "store",
            "segments",
            "checked",
            *DamageKind.values,
            "intact again",
            "unavailable",
        )
        rows = [
            (
                line.studio, line.store, line.segments, line.checked,
                *(line.kinds[kind] for kind in DamageKind.values), line.intact_again, line.unavailable,
            )
            for line in lines
        ]  # fmt: skip
        widths = [max(len(str(row[at])) for row in (heads, *rows)) for at in range(len(heads))]
        for row in (heads, *rows):
            cells = (
                str(cell).rjust(width) if isinstance(cell, int) or at > 1 else str(cell).ljust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            self.stdout.write("  ".join(cells).rstrip())
        checked, size_bytes = sum(line.checked for line in lines), sum(line.size_bytes for line in lines)
        read = f", {size_bytes / 1e6:.0f} MB read" if depth is ScanDepth.HASH else ""
        self.stdout.write(
            f"{checked} segments checked ({depth}) in {took_s:.1f} s{read}:"
            f" {sum(sum(line.kinds.values()) for line in lines) or 'none'} of them damaged."
        )


class _Progress:
    """Progress: one line that is overwritten on a terminal, otherwise a line every few seconds."""

    def __init__(self, line: StoreResult, out: Any) -> None:
        self._line = line
        self._out: TextIO = getattr(out, "_out", sys.stderr)
        self._interval_s = TERMINAL_INTERVAL_S if self._out.isatty() else LOG_INTERVAL_S
        self._printed_s = time.monotonic()
        self._open = False

    def print_progress(self) -> None:
        """Prints progress, at most once per interval."""
        now_s = time.monotonic()
        if now_s - self._printed_s < self._interval_s:
            return
        self._printed_s = now_s
        line = self._line
        percent = min(100, line.checked * 100 // max(1, line.segments))
        text = f"{line.studio}, {line.store}: {line.checked} of {line.segments} ({percent} %)"
        self._open = self._out.isatty()
        self._out.write(f"\r\x1b[K{text}" if self._open else f"{text}\n")
        self._out.flush()

    def close(self) -> None:
        """Clears the line on a terminal."""
        if self._open:
            self._out.write("\r\x1b[K")
            self._out.flush()


def _chosen_studios(slugs: Sequence[str]) -> list[tuple[UUID, str]]:
    """Returns the studios to check, each with its label: the slug if it was given on the command line, else the id."""
    with platform_scope("fsck"):
        found = list(Studio.objects.order_by("slug").values_list("id", "slug"))
    if unknown := sorted(set(slugs) - {slug for _, slug in found}):
        raise CommandError(f"unknown studio: {', '.join(unknown)}", returncode=BAD_USE)
    return [(id_, slug if slugs else str(id_)) for id_, slug in found if not slugs or slug in slugs]
