"""`manage sweep_uploads`: runs the nightly sweep of uploads now; `--dry-run` only counts."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand

from control_plane.ingest.sweep import sweep_incoming, sweep_studio
from control_plane.tenancy.selectors import studio_ids


class Command(BaseCommand):
    """Sweeps uncommitted, quarantined and unfinished uploads."""

    help = "Delete expired uploads: announced but never sent, quarantined long ago, or unfinished."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Adds `--dry-run`."""
        parser.add_argument("--dry-run", action="store_true", help="only report what would be deleted")

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command."""
        dry_run: bool = options["dry_run"]
        word = "would be deleted" if dry_run else "deleted"
        for studio_id in studio_ids("uploads sweep by hand"):
            found = sweep_studio(UUID(str(studio_id)), dry_run=dry_run)
            self.stdout.write(
                f"{studio_id}: {found.pending} never sent and {found.quarantined} quarantined {word}"
            )
        self.stdout.write(f"{sweep_incoming(dry_run=dry_run)} unfinished writes {word}")
