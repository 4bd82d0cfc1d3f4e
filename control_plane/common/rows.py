"""One row by a condition in SQL, for what is asked at each request of playback: hundreds of times a second.

Putting such a question together through the ORM takes ten times as long as PostgreSQL needs to answer. What comes back
is the same: the model's own instance, of the studio (or the person) in scope alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Field, Model

from control_plane.common import scoping

M = TypeVar("M", bound=Model)


def one(
    model: type[M],
    where: str,
    values: Sequence[Any] = (),
    *,
    order: str = "",
    only: tuple[str, ...] = (),
    joined: str = "",
) -> M | None:
    """Returns the first row that meets a condition; None where there is none.

    Args:
        where: SQL of the program's own, with `%s` for each of `values`; the table is called `this`.
        order: SQL of what comes first.
        only: names of the fields to read, the primary key among them; the others are read when they are asked for.
        joined: a foreign key that is never null, whose row comes along; its table has the key's name.

    Raises:
        ScopeMissing: rows of the table belong to studios, and neither studio nor person is in scope.
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
    """How a table is read; `own` are the places of fields that read a value in their own way."""

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
        raise ValueError(f"{model._meta.label} has not all of these fields: {only}")
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
