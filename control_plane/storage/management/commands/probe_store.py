"""`manage probe_store`: probes the platform's own object store."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from control_plane.storage.configured import object_store
from control_plane.storage.probe import probe
from control_plane.storage.probe_report import ProbeContext, ProbeOutcome

FOLDER = "platform"


class Command(BaseCommand):
    """Runs the same probe as for a studio's own store, and prints the findings."""

    help = "Probe the object store: writes, conditions, hashes, deletion, encryption, speed."

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: a check failed; the message names it.
        """
        context = ProbeContext(
            object_store(), FOLDER, settings.OBJECT_STORE_REGION, page_origin=settings.PUBLIC_URL
        )
        faults = []
        for finding in probe(context):
            self.stdout.write(
                f"{finding.outcome.value:8} {finding.check}: {finding.detail} {finding.advice}".rstrip()
            )
            if finding.outcome is ProbeOutcome.REFUSAL:
                faults.append(finding.check)
        if faults:
            raise CommandError(f"the probe of the object store failed: {', '.join(faults)}")
        self.stdout.write("the object store passed the probe")
