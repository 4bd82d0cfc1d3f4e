"""`manage sweep_uploads`: what the nightly sweep does, now; or with `--dry-run`, what it would do."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand

from control_plane.ingest.sweep import sweep_incoming, sweep_studio
from control_plane.tenancy.selectors import studio_ids


class Command(BaseCommand):
    """Sweeps uploads that nothing will come of."""

    help = "Sweep what was announced and never sent, set aside long ago, or left unfinished."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Adds the options."""
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command."""
        dry_run: bool = options["dry_run"]
        word = "would go" if dry_run else "gone"
        for studio_id in studio_ids("uploads sweep by hand"):
            found = sweep_studio(UUID(str(studio_id)), dry_run=dry_run)
            self.stdout.write(
                f"{studio_id}: {found.pending} never sent and {found.quarantined} set aside {word}"
            )
        self.stdout.write(f"{sweep_incoming(dry_run=dry_run)} unfinished writes {word}")
