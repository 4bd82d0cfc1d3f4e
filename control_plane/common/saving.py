"""How a row is checked and saved, with what went wrong in words."""

from collections.abc import Callable

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model

from control_plane.common.errors import BadRequest, Conflict


def check(row: Model) -> None:
    """Validates a row without its relations.

    Raises:
        BadRequest: naming every field and what is wrong with it.
    """
    try:
        row.clean_fields()
        row.clean()
    except ValidationError as error:
        raise BadRequest(
            "; ".join(f"{name}: {' '.join(text)}" for name, text in error.message_dict.items())
        ) from error


def save_new(row: Model, taken: str) -> None:
    """Validates and inserts a row.

    Raises:
        BadRequest: a value breaks a rule.
        Conflict: a row like it exists; `taken` says so in words.
    """
    check(row)
    unless_taken(lambda: row.save(force_insert=True), taken)


def unless_taken(save: Callable[[], None], taken: str) -> None:
    """Calls `save`; a broken constraint is a `Conflict` that says `taken`, and leaves the transaction usable.

    Raises:
        Conflict: a row like it exists.
    """
    try:
        with transaction.atomic():
            save()
    except IntegrityError as error:
        raise Conflict(taken) from error
