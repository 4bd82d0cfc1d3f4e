"""Reads one row by a SQL condition, for queries that playback makes hundreds of times a second.

Building such a query through the ORM takes ten times as long as PostgreSQL needs to answer it. The result is the same:
an instance of the model, limited to the studio or the person in scope.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Field, Model

from control_plane.common import scoping

M = TypeVar("M", bound=Model)


def fetch_one(
    model: type[M],
    where: str,
    values: Sequence[Any] = (),
    *,
    order: str = "",
    only: tuple[str, ...] = (),
    joined: str = "",
) -> M | None:
    """Returns the first row that meets a condition, or None.

    Args:
        where: SQL condition with `%s` for each of `values`; the table is called `this`. Never from user input.
        order: SQL of the ORDER BY clause.
        only: names of the fields to read, including the primary key; others are read on access.
        joined: a non-null foreign key whose row is loaded too; its table is named like the key.

    Raises:
        ScopeMissing: the table belongs to studios, and no studio or person is in scope.
    """
    reading = _reading(model, only, joined)
    values = list(values)
    if reading.is_tenant:
        scoped, of = scoping.in_scope_sql()
        where, values = f"({where}) AND {scoped}", values + of
    statement = f"{reading.select} WHERE {where}{f' ORDER BY {order}' if order else ''} LIMIT 1"
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row = cursor.fetchone()
    if row is None:
        return None
    for place, field in reading.own:
        row = (*row[:place], field.from_db_value(row[place], None, connection), *row[place + 1 :])
    made: M = model.from_db(connection.alias, reading.names, row[: len(reading.names)])
    if reading.other is not None:
        other = reading.other.from_db(connection.alias, reading.other_names, row[len(reading.names) :])
        setattr(made, joined, other)
    return made


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a table is read. `own`: positions of fields with a `from_db_value`."""

    select: str
    names: list[str]
    own: list[tuple[int, Any]]
    is_tenant: bool
    other: type[Model] | None
    other_names: list[str]


@cache
def _reading(model: type[Model], only: tuple[str, ...], joined: str) -> _Reading:
    fields: list[Field[Any, Any]] = [
        field for field in model._meta.concrete_fields if not only or field.name in only
    ]
    if only and {field.name for field in fields} != set(only):
        raise ValueError(f"{model._meta.label} lacks some of these fields: {only}")
    key: Any = model._meta.get_field(joined) if joined else None
    other: type[Model] | None = key.related_model if key else None
    others: list[Field[Any, Any]] = list(other._meta.concrete_fields) if other else []
    columns = [f'this."{field.column}"' for field in fields]
    columns += [f'{joined}."{field.column}"' for field in others]
    select = f'SELECT {", ".join(columns)} FROM "{model._meta.db_table}" this'  # noqa: S608  # names of our own tables
    if other is not None:
        select += f' JOIN "{other._meta.db_table}" {joined} ON {joined}.id = this."{key.column}"'
    return _Reading(
        select=select,
        names=[field.attname for field in fields],
        own=[(at, field) for at, field in enumerate([*fields, *others]) if hasattr(field, "from_db_value")],
        is_tenant=any(field.attname == "studio_id" for field in model._meta.concrete_fields),
        other=other,
        other_names=[field.attname for field in others],
    )
