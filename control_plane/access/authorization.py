"""The proof of a decision: `access.require` returns it, so that code further down need not ask a second time."""

from dataclasses import dataclass, field
from uuid import UUID

from django.db import connection
from django.db.models import Model

from control_plane.access.decision import Reason
from control_plane.common.actors import Actor
from control_plane.common.errors import ControlPlaneError
from control_plane.common.permissions import StudioPermission


class NotAuthorized(ControlPlaneError):
    """An authorization was used for something else than it was given for: a defect of the program."""


def current_transaction() -> object | None:
    """Returns a token of the open transaction; None outside of one."""
    blocks = connection.atomic_blocks
    return blocks[0] if blocks else None


@dataclass(frozen=True, slots=True)
class Authorization:
    """The fact that `actor` may do `action` to one object, decided in the open transaction. Only `access.require` makes it.

    It ends with the transaction: nothing keeps a decision for a later request.
    """

    actor: Actor
    action: StudioPermission
    model: type[Model]
    object_id: UUID
    reason: Reason
    _transaction: object | None = field(default_factory=current_transaction, repr=False)

    def confirm(self, actor: Actor, action: StudioPermission, obj: Model) -> None:
        """Returns if this is the authorization of `actor` to do `action` to `obj`, of the open transaction.

        Raises:
            NotAuthorized: it is not.
        """
        if self._transaction is None or self._transaction is not current_transaction():
            raise NotAuthorized("this authorization has ended: it is of another transaction")
        if (self.actor, self.action, self.model, self.object_id) != (actor, action, type(obj), obj.pk):
            raise NotAuthorized(f"this authorization is not for {action} of {obj._meta.label} {obj.pk}")
