"""`manage probe_store`: is the platform's own object store fit for footage?"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from control_plane.storage.configured import object_store
from control_plane.storage.probe import probe
from control_plane.storage.probe_report import ProbeContext, ProbeOutcome

FOLDER = "platform"


class Command(BaseCommand):
    """Tries everything that is tried of a studio's own store, and says what it finds."""

    help = "Try the object store: writes, conditions, hashes, deletion, encryption, speed."

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: something is wrong; the message names it.
        """
        trial = ProbeContext(
            object_store(), FOLDER, settings.OBJECT_STORE_REGION, page_origin=settings.PUBLIC_URL
        )
        faults = []
        for finding in probe(trial):
            self.stdout.write(
                f"{finding.outcome.value:8} {finding.check}: {finding.detail} {finding.advice}".rstrip()
            )
            if finding.outcome is ProbeOutcome.REFUSAL:
                faults.append(finding.check)
        if faults:
            raise CommandError(f"the object store is not fit: {', '.join(faults)}")
        self.stdout.write("the object store is fit for footage")
