"""`fsck`: the rows of the footage held against the object stores; `threedance fsck`."""

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

TELL_EACH_S = 5.0
SCREEN_EACH_S = 0.2
FINDINGS, BAD_USE = 1, 2


@dataclass
class StoreResult:
    """One line of the table at the end: one store of one studio."""

    studio: str
    store: str
    segments: int
    looked: int = 0
    size_bytes: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    sound_again: int = 0
    silent: int = 0
    said: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether all of it was looked at and is as committed."""
        return not (self.kinds or self.silent or self.said)


class Command(BaseCommand):
    """Looks at every object that a row names."""

    help = "Compare the footage in the database with the object stores. Exit code: 0 clean, 1 findings, 2 bad use."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Adds the options."""
        parser.add_argument(
            "--depth",
            choices=ScanDepth.values,
            default=ScanDepth.SIZE.value,
            help="is it there (presence), is it whole (size), is it what was written (hash: reads everything)",
        )
        parser.add_argument(
            "--studio", action="append", default=[], help="only this one, by its slug; may be repeated"
        )

        parser.add_argument(
            "--repair", action="store_true", help="have the boxes asked to send what is damaged once more"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: there are findings (exit code 1), or a studio that does not exist was named (2).
        """
        depth = ScanDepth(options["depth"])
        begun_s = time.monotonic()
        lines: list[StoreResult] = []
        for studio_id, called in _studios(options["studio"]):
            lines += self._check_studio(studio_id, called, depth)
            if options["repair"]:
                with studio_scope(studio_id):
                    lost = SegmentDamage.objects.filter(repair=RepairState.LOST).count()
                    asked = request_resends(actor=SYSTEM, lost_too=True)
                self.stdout.write(
                    f"{called}: the boxes are asked for {asked} segments once more; of {lost} they had said before that"
                    " they have no good copy"
                )
        self._table(lines, depth, time.monotonic() - begun_s)
        if lines and not options["studio"]:
            # The log of a nightly run is read by more people than may know the names of all studios.
            self.stdout.write(
                f"Studios are named by their ids; operators see which is which: {settings.PUBLIC_URL}/operator/studios/ID/"
            )
        if not all(line.is_clean for line in lines):
            raise CommandError("not everything is as it was committed; see above", returncode=FINDINGS)

    def _check_studio(self, studio_id: UUID, called: str, depth: ScanDepth) -> Iterator[StoreResult]:
        with studio_scope(studio_id):
            stores = [(store_id, count_segments(store_id)) for store_id in stores_in_use()]
            names = dict(StudioStore.objects.values_list("id", "name"))
        for store_id, count in stores:
            line = StoreResult(called, names.get(store_id, "ours"), count)
            screen = _Progress(line, self.stderr)
            try:
                for part in recheck(studio_id, store_id):
                    self._take(line, part)
                    screen.tell()
                for part in scan_segments(studio_id, store_id, depth):
                    self._take(line, part)
                    screen.tell()
            except ControlPlaneError as error:
                line.said = error.detail or type(error).__name__
                self.stdout.write(f"{called}: the store {line.store} cannot be checked: {line.said}")
            screen.close()
            yield line

    def _take(self, line: StoreResult, part: Chunk) -> None:
        for seen in part.seen:
            line.looked += 1
            line.size_bytes += seen.item.size_bytes
            line.kinds.update([seen.kind.value] if seen.kind else [])
            line.silent += bool(seen.silent)
            if problem := seen.silent or seen.detail:
                self.stdout.write(f"{line.studio}: {seen.item.key}: {problem}")
        line.sound_again += len(part.lifted)

    def _table(self, lines: Sequence[StoreResult], depth: ScanDepth, took_s: float) -> None:
        heads = (
            "studio",
            "store",
            "segments",
            "looked at",
            *DamageKind.values,
            "sound again",
            "not to be had",
        )
        rows = [
            (
                line.studio, line.store, line.segments, line.looked,
                *(line.kinds[kind] for kind in DamageKind.values), line.sound_again, line.silent,
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
        looked, size_bytes = sum(line.looked for line in lines), sum(line.size_bytes for line in lines)
        read = f", {size_bytes / 1e6:.0f} MB read" if depth is ScanDepth.HASH else ""
        self.stdout.write(
            f"{looked} segments looked at ({depth}) in {took_s:.1f} s{read}:"
            f" {sum(sum(line.kinds.values()) for line in lines) or 'none'} of them wrong."
        )


class _Progress:
    """One line on the screen that is written over, or one now and then where there is no screen."""

    def __init__(self, line: StoreResult, out: Any) -> None:
        self._line = line
        self._out: TextIO = getattr(out, "_out", sys.stderr)
        self._each_s = SCREEN_EACH_S if self._out.isatty() else TELL_EACH_S
        self._told_s = time.monotonic()
        self._open = False

    def tell(self) -> None:
        """Prints progress, at most once per interval."""
        now_s = time.monotonic()
        if now_s - self._told_s < self._each_s:
            return
        self._told_s = now_s
        line = self._line
        percent = min(100, line.looked * 100 // max(1, line.segments))
        text = f"{line.studio}, {line.store}: {line.looked} of {line.segments} ({percent} %)"
        self._open = self._out.isatty()
        self._out.write(f"\r\x1b[K{text}" if self._open else f"{text}\n")
        self._out.flush()

    def close(self) -> None:
        """Leaves the line."""
        if self._open:
            self._out.write("\r\x1b[K")
            self._out.flush()


def _studios(slugs: Sequence[str]) -> list[tuple[UUID, str]]:
    """Returns what is to be checked, and how to call it: whoever runs the server is told a name that they know already."""
    with platform_scope("fsck"):
        found = list(Studio.objects.order_by("slug").values_list("id", "slug"))
    if unknown := sorted(set(slugs) - {slug for _, slug in found}):
        raise CommandError(f"there is no studio {', '.join(unknown)}", returncode=BAD_USE)
    return [(id_, slug if slugs else str(id_)) for id_, slug in found if not slugs or slug in slugs]
