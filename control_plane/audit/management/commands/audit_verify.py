"""`manage audit_verify`: checks chains in the database and names the first bad entry."""

from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from control_plane.audit.audit_events import AUDIT_VERIFIED
from control_plane.audit.selectors import chain_head, verify_chain
from control_plane.audit.services import chain_scope, record
from control_plane.common.actors import Actor
from control_plane.common.scoping import platform_scope

WORTH_A_BAR = 20_000


class Command(BaseCommand):
    """Recomputes hash chains: all of them, the platform's, or one studio's. That it was done is an entry of its own."""

    help = "Check the audit chains; exits with 1 and names the first bad entry of each broken chain."

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the choice of chains."""
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--studio", help="check only the chain of this studio: its slug or id")
        which.add_argument("--platform", action="store_true", help="check only the platform's own chain")
        which.add_argument("--all", action="store_true", help="check all chains (the default)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: a chain is broken, or there is no such studio.
        """
        studios = _studios()
        chains: list[tuple[UUID | None, str]] = [(None, "platform")]
        if options["studio"]:
            chains = [
                (id_, f"studio {id_}") for id_, slug in studios if options["studio"] in (slug, str(id_))
            ]
            if not chains:
                raise CommandError(f"there is no studio {options['studio']!r}")
        elif not options["platform"]:
            chains += [(id_, f"studio {id_}") for id_, _ in studios]
        broken = 0
        for studio_id, name in chains:
            broken += not self._verify(studio_id, name)
        if broken:
            raise CommandError(f"{broken} of {len(chains)} chains are broken")

    def _verify(self, studio_id: UUID | None, name: str) -> bool:
        with chain_scope(studio_id):
            length, _ = chain_head()
        with Progress(
            name,
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=length < WORTH_A_BAR,
            transient=True,
        ) as bar:
            task = bar.add_task("", total=length)
            length, found = verify_chain(
                studio_id, report=lambda sequence: bar.update(task, completed=sequence)
            )
        if found is None:
            self.stdout.write(f"{name}: {length} entries, unbroken")
        else:
            self.stdout.write(f"{name}: broken at entry {found.sequence}: {found.reason}")
        with chain_scope(studio_id):
            record(
                AUDIT_VERIFIED,
                actor=Actor.system("audit_verify"),
                studio_id=studio_id,
                object_type="audit.Entry",
                object_id="",
                details={"entries": length, "first_bad": found.sequence if found else None},
            )
        return found is None


def _studios() -> list[tuple[UUID, str]]:
    studio = apps.get_model("tenancy", "Studio")
    with platform_scope("audit verify"):
        return list(studio._default_manager.order_by("id").values_list("id", "slug"))
