"""Events of people, and questions about what is held about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from control_plane.common.events import Event, Question
from control_plane.people.consent_models import ConsentPurpose


@dataclass(frozen=True)
class DancerErased(Event):
    """A dancer is about to be deleted; subscribers delete their rows about the dancer. In scope."""

    dancer_id: UUID


@dataclass(frozen=True, slots=True)
class DataSection:
    """One table of the data that an app holds about a person.

    Args:
        name: for programs, such as `guardians`.
        title: for people, in their language.
        rows: facts by name; text, whole numbers, booleans, null and ISO 8601 times only.
    """

    name: str
    title: str
    rows: Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class PersonalData(Question[list[DataSection]]):
    """Asks every app which data it holds about this dancer, in its own tables. In scope."""

    dancer_id: UUID


@dataclass(frozen=True)
class ConsentChanged(Event):
    """A dancer's consent to a purpose was given, refused or withdrawn. In scope, in the transaction of the answer."""

    dancer_id: UUID
    purpose: ConsentPurpose
