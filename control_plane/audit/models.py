"""Tables of the audit chain: Entry (append-only) and ChainHead."""

from typing import Any, ClassVar

from django.db import models
from django.db.models.sql.compiler import SQLCompiler

from control_plane.common.errors import ScopeMissing
from control_plane.common.models import STUDIO_ONLY, UUIDModel
from control_plane.common.scoping import current_scope, flush_deferred


class InChain(models.Expression):
    """True for the chain of the studio in scope, or for the platform's under capability `platform_audit`."""

    conditional = True

    def __init__(self) -> None:
        super().__init__(output_field=models.BooleanField())
        self.studio_id: Any = models.F("studio_id")

    def get_source_expressions(self) -> list[Any]:
        """Returns the column."""
        return [self.studio_id]

    def set_source_expressions(self, exprs: Any) -> None:
        """Takes the resolved column."""
        (self.studio_id,) = exprs

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        """Returns the comparison.

        Raises:
            ScopeMissing: neither is in force.
        """
        # A transaction that reads the log finds its own events in it.
        flush_deferred()
        scope = current_scope()
        sql, params = compiler.compile(self.studio_id)
        if scope.studio_id is not None:
            return f"({sql} = %s)", [*params, scope.studio_id]
        if scope.capability == ("platform_audit", "on"):
            return f"({sql} IS NULL)", [*params]
        raise ScopeMissing("no chain is in scope; open studio_scope or use audit.selectors")


class ChainManager(models.Manager[Any]):
    """Rows of the chain in scope."""

    def get_queryset(self) -> models.QuerySet[Any]:
        """Returns the rows of the chain in scope."""
        return super().get_queryset().filter(models.Q(InChain()))


class Entry(UUIDModel):
    """One audit event. `studio_id` null: an event of the platform, on its own chain.

    `studio_id` and the other ids are not foreign keys: an entry outlives its subject. `hash` is the SHA-256 of
    the canonical form (`chain.canonical`), which holds `previous_hash`; the first entry's is 32 zero bytes.
    `occurred_at` is the time of the event; `sequence` is the order of commits.
    """

    view_permission = "view_audit"
    access_path = STUDIO_ONLY

    studio_id = models.UUIDField(null=True, editable=False)
    sequence = models.BigIntegerField(editable=False)
    occurred_at = models.DateTimeField(editable=False)
    action = models.CharField(max_length=64, editable=False)
    actor_kind = models.CharField(max_length=16, editable=False)
    actor_id = models.UUIDField(null=True, editable=False)
    actor_job = models.CharField(max_length=64, blank=True, editable=False)
    object_type = models.CharField(max_length=64, editable=False)
    object_id = models.CharField(max_length=64, editable=False)
    details = models.JSONField(default=dict, editable=False)
    previous_hash = models.BinaryField(max_length=32, editable=False)
    hash = models.BinaryField(max_length=32, editable=False)

    objects: ClassVar[ChainManager] = ChainManager()

    class Meta:
        base_manager_name = "objects"
        verbose_name_plural = "entries"
        ordering: ClassVar = ["sequence"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["studio_id", "sequence"], nulls_distinct=False, name="audit_entry_sequence_once"
            )
        ]
        # One per filter of the search page, in its order: newest first.
        indexes: ClassVar = [
            models.Index(fields=["studio_id", "-occurred_at", "-sequence"], name="audit_entry_by_time"),
            models.Index(
                fields=["studio_id", "actor_id", "-occurred_at", "-sequence"], name="audit_entry_by_actor"
            ),
            models.Index(
                fields=["studio_id", "object_id", "-occurred_at", "-sequence"], name="audit_entry_by_object"
            ),
            models.Index(
                fields=["studio_id", "action", "-occurred_at", "-sequence"], name="audit_entry_by_action"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.action}"


class ChainHead(UUIDModel):
    """The last link of one chain. A writer locks it to add the next, so the sequence has no gaps."""

    view_permission = "view_audit"
    access_path = STUDIO_ONLY

    studio_id = models.UUIDField(null=True, editable=False)
    sequence = models.BigIntegerField(default=0, editable=False)
    hash = models.BinaryField(max_length=32, editable=False)

    objects: ClassVar[ChainManager] = ChainManager()

    class Meta:
        base_manager_name = "objects"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio_id"], nulls_distinct=False, name="audit_chainhead_once")
        ]

    def __str__(self) -> str:
        return f"{self.studio_id} {self.sequence}"
