"""Declaration of audit events: an app declares one constant per event in its `audit_events.py`.

The audit log stores the code, which never changes once released. Declaration modules load no model.
"""

from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from enum import StrEnum

from control_plane.common.declared import DeclaredCode


class Category(StrEnum):
    """Categories of audit events; a search can ask for one."""

    FOOTAGE = "footage"
    PEOPLE = "people"
    ACCESS = "access"
    RECORDING = "recording"
    SETUP = "setup"
    KEYS = "keys"
    RECORD = "record"


CATEGORY_LABELS: dict[Category, str] = {
    Category.FOOTAGE: "Access to footage",
    Category.PEOPLE: "People and dancers",
    Category.ACCESS: "Permissions and sign-in",
    Category.RECORDING: "Recording and upload",
    Category.SETUP: "Studio, agents and cameras",
    Category.KEYS: "Keys and storage",
    Category.RECORD: "Audit, reports and alerts",
}


class Severity(StrEnum):
    """Importance of an event."""

    ROUTINE = "routine"
    NOTABLE = "notable"
    SERIOUS = "serious"


@dataclass(frozen=True, slots=True)
class Rate:
    """How many actions one person, and all people of one studio, may do `within` a time."""

    by_person: int
    in_studio: int
    within: timedelta = timedelta(hours=1)


@dataclass(frozen=True, eq=False, repr=False)
class AuditEvent(DeclaredCode):
    """A kind of entry of the audit log.

    Attributes:
        meaning: what happened, as a sentence in the passive voice.
        sentence: the text of an entry. `{who}` is the person, agent or job, `{what}` the object with its name, and any other
            word in braces a field of the details or a word of `compliance.detail_text`. Empty: the meaning, then who and
            what.
        severity: its importance.
        is_read: data about people was read, and nothing was changed; the entry also holds the reader's network.
        footage_access: the action of a reader of footage, such as "watched the replay"; empty: no access to footage.
        takes_data_out: data left the studio; alerts count these.
        rate: its rate limit for people; None: no limit.
    """

    code: str
    meaning: str
    _: KW_ONLY
    category: Category
    sentence: str = ""
    severity: Severity = Severity.NOTABLE
    is_read: bool = False
    footage_access: str = ""
    takes_data_out: bool = False
    rate: Rate | None = None

    @property
    def shows_footage(self) -> bool:
        """Whether it is an access to footage."""
        return bool(self.footage_access)

    @property
    def position(self) -> tuple[int, str]:
        """The sort key in `all()`: by category, then by subject."""
        return (list(Category).index(self.category), self.code)

    @property
    def text(self) -> str:
        """The text of an entry, with fields in braces."""
        return self.sentence or f"{self.meaning} By {{who}}: {{what}}"


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """An event that another version of the product wrote; shown by its code."""

    code: str
    category: Category = Category.RECORD
    severity: Severity = Severity.NOTABLE
    is_read: bool = False
    footage_access: str = ""
    shows_footage: bool = False
    takes_data_out: bool = False

    @property
    def text(self) -> str:
        """The text of an entry, with fields in braces."""
        return f"{self.code} by {{who}}: {{what}}"


def described(code: str) -> AuditEvent | UnknownEvent:
    """Return the event that has this code in the log."""
    return AuditEvent.get(code) or UnknownEvent(code)


def codes_of(category: Category) -> list[str]:
    """Return the codes of the events of one category."""
    return [event.code for event in AuditEvent.all() if event.category is category]
