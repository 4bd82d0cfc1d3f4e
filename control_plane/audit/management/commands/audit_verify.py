"""`manage audit_verify`: checks every chain and names the first bad entry."""

from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser

from control_plane.audit.selectors import verify_chain
from control_plane.common.scoping import platform_scope


class Command(BaseCommand):
    """Recomputes the hash chains of the platform and of all studios, or of one."""

    help = "Check the audit chains; exits with 1 and names the first bad entry of each broken chain."

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the choice of one studio."""
        parser.add_argument("--studio", type=UUID, help="check only the chain of this studio (its id)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: a chain is broken.
        """
        chains: list[UUID | None] = [options["studio"]] if options["studio"] else [None, *_studio_ids()]
        broken = 0
        for studio_id in chains:
            name = f"studio {studio_id}" if studio_id else "platform"
            length, found = verify_chain(studio_id)
            if found is None:
                self.stdout.write(f"{name}: {length} entries, unbroken")
            else:
                broken += 1
                self.stdout.write(f"{name}: broken at entry {found.sequence}: {found.reason}")
        if broken:
            raise CommandError(f"{broken} of {len(chains)} chains are broken")


def _studio_ids() -> list[UUID]:
    studio = apps.get_model("studios", "Studio")
    with platform_scope("audit verify"):
        return list(studio._default_manager.order_by("id").values_list("id", flat=True))
