"""How audit events are shown: category, severity and sentence. Pure; the stored text is the catalogue's.

In a sentence `{who}` is the person, box or job, `{what}` the thing with its name where it has one, and any other word
in braces is a field of the entry's details, or what `compliance.detail_text` makes of one (`{right}`, `{until}`, ...).
"""

from dataclasses import dataclass
from enum import StrEnum

from control_plane.audit.catalogue import MEANINGS, Action


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
    Category.FOOTAGE: "Looking at footage",
    Category.PEOPLE: "People and dancers",
    Category.ACCESS: "Rights and sign-in",
    Category.RECORDING: "Recording and upload",
    Category.SETUP: "Studio, boxes and cameras",
    Category.KEYS: "Keys and storage",
    Category.RECORD: "Audit, reports and alerts",
}


class Weight(StrEnum):
    """How much it matters who did it."""

    ROUTINE = "routine"
    NOTABLE = "notable"
    SERIOUS = "serious"


@dataclass(frozen=True)
class Kind:
    """How one act is shown. `is_read`: nothing was changed, somebody was shown something that is about people."""

    category: Category
    weight: Weight
    sentence: str
    is_read: bool = False


_BY_PREFIX: dict[str, Category] = {
    "studio": Category.SETUP, "room": Category.SETUP, "agent": Category.SETUP, "camera": Category.SETUP,
    "plan": Category.SETUP, "quota": Category.SETUP, "policy": Category.ACCESS,
    "member": Category.PEOPLE, "dancer": Category.PEOPLE, "dancers": Category.PEOPLE,
    "guardianship": Category.PEOPLE, "roster": Category.PEOPLE, "people": Category.PEOPLE,
    "person": Category.PEOPLE,
    "user": Category.PEOPLE, "invitation": Category.PEOPLE, "admin": Category.PEOPLE,
    "access": Category.ACCESS, "api_key": Category.ACCESS, "grant": Category.ACCESS,
    "denial": Category.ACCESS, "role": Category.ACCESS, "signin": Category.ACCESS,
    "signin_link": Category.ACCESS, "signin_policy": Category.ACCESS, "identity_provider": Category.ACCESS,
    "break_glass": Category.ACCESS, "operator": Category.ACCESS,
    "class": Category.RECORDING, "footage": Category.RECORDING, "segment": Category.RECORDING,
    "uploads": Category.RECORDING,
    "key": Category.KEYS, "root_key": Category.KEYS, "store": Category.KEYS,
    "audit": Category.RECORD, "report": Category.RECORD, "receipts": Category.RECORD,
    "assessment": Category.RECORD, "watch": Category.RECORD, "alert": Category.RECORD, "alerts": Category.RECORD,
}  # fmt: skip
FOOTAGE_READS = frozenset({Action.CLASS_OPENED, Action.CLASS_REPLAYED, Action.KEY_OPENED})
READS = FOOTAGE_READS | {
    Action.PEOPLE_LISTED,
    Action.PERSON_OPENED,
    Action.ACCESS_READ,
    Action.DANCERS_LISTED,
    Action.DANCER_OPENED,
    Action.ROSTER_OPENED,
    Action.ADMIN_READ,
    Action.AUDIT_READ,
    Action.AUDIT_EXPORTED,
    Action.REPORT_READ,
    Action.RECEIPTS_TAKEN,
    Action.ASSESSMENT_READ,
    Action.ALERTS_READ,
}
_SERIOUS_PREFIXES = ("break_glass.", "operator.", "root_key.", "grant.", "denial.", "role.", "alert.raised")
_SERIOUS = frozenset(
    {
        "audit.exported", "class.shredded", "studio.shredded", "studio.key_destroyed", "key.opened",
        "member.changed", "member.link_made", "signin_policy.changed", "identity_provider.overruled", "agent.duplicated",
        "segment.quarantined", "store.changed", "store.retired", "watch.changed", "policy.changed",
        "signin.factor_removed", "footage.damaged",
    }
)  # fmt: skip
_ROUTINE_PREFIXES = ("footage.committed", "class.finished", "uploads.", "signin.succeeded", "signin.ended")

SENTENCES: dict[str, str] = {
    "studio.created": "{who} made the studio",
    "studio.changed": "{who} changed the studio's own settings",
    "room.created": "{who} made {what}",
    "room.changed": "{who} changed {what}",
    "member.added": "{who} made somebody a member: {what}",
    "member.changed": "{who} changed the membership of {what}: {change}",
    "member.left": "{who} left the studio",
    "member.link_made": "{who} made a one-time sign-in link for {what}",
    "member.sessions_ended": "{who} ended the sessions of {what} in this studio",
    "member.removed": "{who} ended the membership of {what}",
    "grant.given": "{who} gave {what} the right {right} on {thing}{until}{reason}",
    "grant.taken": "{who} took the right {right} on {thing} back from {what}",
    "denial.given": "{who} denied {what} {right} on {thing}{until}{reason}",
    "denial.lifted": "{who} lifted the denial of {right} on {thing} for {what}",
    "role.changed": "{who} changed what the role {role} allows: {change}",
    "role.reset": "{who} put the role {role} back to what it comes with: {change}",
    "api_key.made": "{who} made the {thing} for a program; it lends {lent}{until}",
    "api_key.revoked": "{who} took back the {thing} for a program, of {what}",
    "dancer.added": "{who} added {what}",
    "dancer.changed": "{who} changed what is kept of {what}",
    "dancers.listed": "{who} read the list of dancers",
    "dancer.opened": "{who} opened the page of {what}",
    "people.listed": "{who} read the list of people",
    "person.opened": "{who} opened the page of {what}",
    "access.read": "{who} read who can see {what}",
    "roster.opened": "{who} read who was in {what}",
    "roster.changed": "{who} changed who is expected in {what}",
    "roster.confirmed": "{who} confirmed who was in {what}",
    "user.created": "{who} made an account",
    "user.renamed": "{who} changed the name that they are shown by",
    "signin.succeeded": "{who} signed in",
    "signin.ended": "{who} signed out",
    "identity_provider.domain_proven": "{who} proved that the studio may speak for the domain {domain}",
    "identity_provider.domain_lost": "{who} found the proof for the domain {domain} gone",
    "agent.paired": "{what} was paired",
    "agent.changed": "{who} changed {what}",
    "agent.revoked": "{who} revoked {what}",
    "camera.created": "{who} added {what}",
    "camera.changed": "{who} changed {what}",
    "camera.removed": "{who} removed {what}",
    "class.started": "{who} began to record {what}",
    "class.stopped": "{who} stopped recording {what}",
    "class.changed": "{who} changed {what}",
    "class.finished": "All footage of {what} has arrived",
    "class.opened": "{who} opened the page of {what}",
    "class.replayed": "{who} opened the replay of {what}",
    "class.shredded": "{who} destroyed the footage of {what}",
    "footage.committed": "Footage of {what} arrived and was verified",
    "footage.damaged": "Footage of {what} was found missing or damaged in its store",
    "footage.repaired": "Footage of {what} that was missing or damaged is whole again",
    "admin.read": "{who} read {page} in the admin site",
    "audit.read": "{who} read the audit log",
    "audit.exported": "{who} exported the audit log",
    "audit.verified": "{who} verified the audit log",
    "report.read": "{who} read who has seen {what}",
    "receipts.taken": "{who} downloaded the receipts of the signed checkpoints",
    "assessment.read": "{who} read the privacy assessment",
    "watch.changed": "{who} changed what counts as an unusual read",
    "alert.raised": "An alert was raised: {rule}",
    "alerts.read": "{who} read the alerts",
    "alert.acknowledged": "{who} looked into an alert",
}


def kind_of(action: str) -> Kind:
    """Returns how an act is shown; acts that this version does not know are shown by their name."""
    prefix = action.partition(".")[0]
    known = Action(action) if action in Action._value2member_map_ else None
    category = Category.FOOTAGE if known in FOOTAGE_READS else _BY_PREFIX.get(prefix, Category.RECORD)
    if action in _SERIOUS or action.startswith(_SERIOUS_PREFIXES):
        weight = Weight.SERIOUS
    elif action.startswith(_ROUTINE_PREFIXES):
        weight = Weight.ROUTINE
    else:
        weight = Weight.NOTABLE
    sentence = SENTENCES.get(action)
    if sentence is None:
        # The meaning is in the passive: it says what happened, and who did it follows.
        sentence = f"{MEANINGS[known]} By {{who}}: {{what}}" if known else f"{action} by {{who}}: {{what}}"
    return Kind(category, weight, sentence, is_read=known in READS)


def actions_of(category: Category) -> list[str]:
    """Returns the acts of one category, in the order of the catalogue."""
    return [action.value for action in Action if kind_of(action.value).category is category]


def has_category(action: Action) -> bool:
    """Returns whether an act has been given a category of its own."""
    return action in FOOTAGE_READS or action.value.partition(".")[0] in _BY_PREFIX


__all__ = [
    "CATEGORY_LABELS",
    "FOOTAGE_READS",
    "READS",
    "SENTENCES",
    "Category",
    "Kind",
    "Weight",
    "actions_of",
    "has_category",
    "kind_of",
]
