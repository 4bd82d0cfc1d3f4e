"""Change the state of rows along a declared table: the only place that writes a state column.

A model declares its table as `transitions`. Every change is one UPDATE whose WHERE names the states that the new one may
follow. So the row itself decides, not a copy of it in memory: of two transactions at once, PostgreSQL lets the second wait
for the first and then evaluates the WHERE on the row as the first left it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import models
from django.db.models import Case, F, QuerySet, Value, When

from control_plane.common.errors import Conflict


@dataclass(frozen=True, slots=True)
class Transitions:
    """The states that may follow each state of a model.

    A state that may follow itself is listed as its own successor: a report that repeats it is then no error.
    """

    allowed: Mapping[str, Iterable[str]]
    field: str = "state"

    def sources(self, to: str) -> list[str]:
        """Returns the states that `to` may follow."""
        return [str(state) for state, successors in self.allowed.items() if to in successors]


class TransitionRefused(Conflict):
    """The table does not allow the new state after the one that the row has now."""


class Stateful(models.Model):
    """A model with a state column, which only these methods write."""

    transitions: ClassVar[Transitions]

    class Meta:
        abstract = True

    def transition(self, to: models.TextChoices, **values: Any) -> None:
        """Moves this row to the state `to` and writes `values` with it, in the database and in memory.

        Raises:
            TransitionRefused: the table does not allow `to` after the row's present state, or the row is gone; nothing
                was written, and the row in memory is unchanged.
        """
        field, mine = self.transitions.field, type(self)._base_manager.filter(pk=self.pk)
        if not self.transition_rows(mine, to, **values):
            present = mine.values_list(field, flat=True).first() or "gone"
            raise TransitionRefused(
                f"A {self._meta.verbose_name} that is {present} cannot become {to.value}."
            )
        for name, value in {field: to, **values}.items():
            setattr(self, name, value)

    @classmethod
    def transition_rows(cls, rows: QuerySet[Any], to: models.TextChoices, **values: Any) -> int:
        """Moves those of `rows` to `to` that the table allows, and writes `values` to them; returns how many.

        For callers that answer a refusal themselves: 0 of one row means that its state does not allow it, or that
        another condition of `rows` does not hold any more.
        """
        table = cls.transitions
        allowed = rows.filter(**{f"{table.field}__in": table.sources(to)})
        return allowed.update(**{table.field: to}, **values)

    @classmethod
    def touch_and_transition(cls, rows: QuerySet[Any], to: models.TextChoices, **values: Any) -> int:
        """Writes `values` to all `rows`, and in the same statement moves those to `to` that the table allows.

        For what happens too often for a second statement, such as a heartbeat.
        """
        table = cls.transitions
        may_change = When(**{f"{table.field}__in": table.sources(to)}, then=Value(str(to.value)))
        return rows.update(**{table.field: Case(may_change, default=F(table.field))}, **values)
