"""Validates and saves rows, and turns violations into errors with readable messages."""

from collections.abc import Callable

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model

from control_plane.common.errors import BadRequest, Conflict


def check(row: Model) -> None:
    """Validates a row without its relations.

    Raises:
        BadRequest: names every invalid field and why it is invalid.
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
        BadRequest: a value is invalid.
        Conflict: such a row exists; `taken` is the message.
    """
    check(row)
    save_unless_taken(lambda: row.save(force_insert=True), taken)


def save_unless_taken(save: Callable[[], None], taken: str) -> None:
    """Calls `save`. A violated constraint raises `Conflict` with the message `taken`; the transaction stays usable.

    Raises:
        Conflict: such a row exists.
    """
    try:
        with transaction.atomic():
            save()
    except IntegrityError as error:
        raise Conflict(taken) from error
