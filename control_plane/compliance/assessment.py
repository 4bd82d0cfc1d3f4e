"""Basis of a privacy assessment: how a studio handles footage of children, documented from its actual settings.

Follows article 35 (7) of the GDPR: processing, purposes, access, protection, retention, and open points. Features that
the program lacks are listed as missing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from control_plane.access import access
from control_plane.access.models import BreakGlass, ObjectPermission, RolePermissions
from control_plane.access.permissions import MANAGE_POLICY
from control_plane.access.roles import effective
from control_plane.audit.audit_events import AUDIT_VERIFIED
from control_plane.audit.models import Entry
from control_plane.audit.selectors import chain_head
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.compliance.anomaly_rules import RULE_LABELS
from control_plane.compliance.audit_events import ASSESSMENT_READ
from control_plane.compliance.checkpointing import checkpoint_status
from control_plane.compliance.models import Alert
from control_plane.compliance.name_lookup import NameLookup
from control_plane.identity.models import IdentityProvider, SigninPolicy
from control_plane.keys.configured import root_key
from control_plane.keys.errors import KeyRefused
from control_plane.keys.models import StudioKey
from control_plane.people.models import Dancer, Guardianship
from control_plane.recordings.models import ClassSession
from control_plane.storage.models import StudioStorage
from control_plane.tenancy.models import Membership, Studio
from control_plane.tenancy.selectors import members

VERIFY_EVERY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ToDo:
    """Something that is missing. `page` is the name of the page where it can be fixed; empty: the program lacks it."""

    text: str
    page: str = ""


@dataclass(slots=True)
class Section:
    """One topic of the assessment: facts as pairs of name and value, and open points."""

    title: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    to_do: list[ToDo] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Assessment:
    """The whole document."""

    studio: Studio
    made_at: datetime
    sections: list[Section]

    @property
    def open_points(self) -> int:
        """Number of open points."""
        return sum(len(section.to_do) for section in self.sections)


def assess(studio: Studio, *, actor: Actor) -> Assessment:
    """Returns the current assessment of a studio, and writes an audit event that it was read.

    Raises:
        NotFound, Forbidden: `actor` may not manage the studio's policy.
    """
    with studio_scope(studio.id):
        access.require(actor, MANAGE_POLICY, studio)
        record_for(ASSESSMENT_READ, studio, actor=actor)
        parts: list[Callable[[Studio, Actor], Section]] = [
            _purpose, _people, _who_sees, _signing_in, _keys, _place, _keeping, _consent, _others, _support, _proof,
        ]  # fmt: skip
        return Assessment(studio, timezone.now(), [part(studio, actor) for part in parts])


def as_markdown(found: Assessment) -> str:
    """Returns the assessment as Markdown."""
    lines = [
        f"# Privacy assessment: {found.studio.name}",
        "",
        f"Written from the studio's settings at {found.made_at:%Y-%m-%d %H:%M} UTC. {found.open_points} open points.",
    ]
    for number, section in enumerate(found.sections, start=1):
        lines += ["", f"## {number}. {section.title}", ""]
        lines += [f"- **{_plain(name)}:** {_plain(value)}" for name, value in section.facts]
        lines += [f"- [ ] To do: {_plain(item.text)}" for item in section.to_do]
    return "\n".join([*lines, ""])


def _purpose(studio: Studio, actor: Actor) -> Section:
    return Section(
        "What is done, and why",
        [
            ("Studio", f"{studio.name} (time zone {studio.time_zone})"),
            ("Processing", "Fixed cameras film dance classes. Footage is encrypted and shown to people with permission."),
            ("Data", "Pictures and audio of dancers, including minors; names of dancers and their guardians."),
            ("Not done", "No face recognition, no body measurement, no automated decisions."),
            ("Recorded classes", str(ClassSession.objects.count())),
        ],
    )  # fmt: skip


def _people(studio: Studio, actor: Actor) -> Section:
    here = list(Dancer.objects.filter(left_at__isnull=True))
    minors = [dancer for dancer in here if dancer.is_minor]
    answered = set(Guardianship.objects.filter(ended_at__isnull=True).values_list("dancer_id", flat=True))
    alone = sum(dancer.id not in answered for dancer in minors)
    section = Section(
        "Who is filmed",
        [
            ("Dancers", str(len(here))),
            ("Minors (or year of birth unknown)", str(len(minors))),
            ("Protected", str(sum(dancer.protected for dancer in here))),
            ("People who answer for them", str(Guardianship.objects.filter(ended_at__isnull=True).count())),
        ],
    )
    unconfirmed = ClassSession.objects.filter(roster_confirmed_at__isnull=True).count()
    if not here:
        section.to_do.append(
            ToDo("No dancers are entered, so nobody can be told who saw a child.", "dancers")
        )
    if alone:
        section.to_do.append(ToDo(f"{alone} of the minors have no guardian.", "dancers"))
    if unconfirmed:
        section.to_do.append(
            ToDo(f"Nobody has confirmed who was in {unconfirmed} of the recorded classes.", "classes")
        )
    return section


def _who_sees(studio: Studio, actor: Actor) -> Section:
    changed = {row.role: row.actions for row in RolePermissions.objects.all()}
    counts = {role: Membership.objects.filter(role=role, user__is_active=True).count() for role in Role}
    section = Section("Who can see what")
    for role in Role:
        may = effective(role, changed.get(role))
        allowed = [
            action
            for action in StudioPermission.all()
            if (action.footage or action.personal_data) and action in may
        ]
        own = " Only classes of own dancers, once the roster is confirmed." if role is Role.GUARDIAN else ""
        said = " ".join(action.meaning for action in allowed) or "No footage and no dancers."
        section.facts.append((f"{role.label} ({counts[role]})", said + own))
    rights = ObjectPermission.objects.all()
    section.facts.append(("Permissions and denials on single objects", str(rights.count())))
    if counts[Role.ADMIN] == 1:
        section.to_do.append(ToDo("There is only one admin, so nobody checks that admin's access.", "people"))
    return section


def _signing_in(studio: Studio, actor: Actor) -> Section:
    policy = SigninPolicy.objects.first() or SigninPolicy(studio=studio)
    admins = members(timezone.now()).filter(role=Role.ADMIN)
    protected = admins.filter(seen_with_factor=True).count()
    providers = list(IdentityProvider.objects.filter(enabled=True).values_list("name", flat=True))
    section = Section(
        "Signing in",
        [
            ("Passwords", "Stored as argon2 hashes; passkeys and authenticator apps are supported."),
            ("Second factor of admins", "required" if policy.admins_need_second_factor else "not required"),
            ("Admins who last signed in with a second factor", f"{protected} of {admins.count()}"),
            ("Identity providers", ", ".join(providers) or "none"),
            ("Longest session", f"{policy.session_hours} h" if policy.session_hours else "14 days"),
            ("New accounts", "only by invitation of an admin"),
        ],
    )
    if not policy.admins_need_second_factor:
        section.to_do.append(ToDo("Require a second factor of admins.", "sign_in"))
    return section


def _keys(studio: Studio, actor: Actor) -> Section:
    current = StudioKey.objects.filter(retired_at__isnull=True).first()
    try:
        where = root_key().kind
    except KeyRefused:
        where = "not readable now"
    section = Section(
        "Encryption and keys",
        [
            ("Footage", "AES-128 with a new key every six seconds, encrypted in the agent before it is written to disk."),
            ("Keys", "The class's key wraps these keys, the studio's key wraps that, and the root key wraps the studio's."),
            ("Root key", where),
            ("The studio's key since", f"{current.created_at:%Y-%m-%d}" if current else "none"),
            ("Destruction", "Destroying a class's key destroys its footage in every copy."),
        ],
    )  # fmt: skip
    if current and current.created_at < timezone.now() - timedelta(days=365):
        section.to_do.append(ToDo("The studio's key is more than a year old: renew it.", "keys"))
    if current is None:
        section.to_do.append(ToDo("The studio has no key.", "keys"))
    return section


def _place(studio: Studio, actor: Actor) -> Section:
    own = StudioStorage.objects.select_related("store").first()
    store = own.store if own else None
    ours = urlsplit(settings.OBJECT_STORE_URL)
    section = Section("Where it is kept")
    if store is not None:
        section.facts = [
            ("Store", f"{store.name}: the studio's own, {urlsplit(store.endpoint).hostname}"),
            ("Region", store.region),
            ("Also encrypted by the store", store.get_encryption_display()),
        ]
    else:
        section.facts = [
            ("Store", f"the platform's, {ours.hostname or 'on the server itself'}"),
            ("Region", "the region of the platform's store"),
        ]
    pinned = own.region if own else ""
    section.facts.append(("Required region", pinned or "not set"))
    if not pinned:
        section.to_do.append(ToDo("Set the region that footage must stay in.", "storage"))
    return section


def _keeping(studio: Studio, actor: Actor) -> Section:
    oldest = ClassSession.objects.order_by("requested_at").values_list("requested_at", flat=True).first()
    return Section(
        "How long it is kept",
        [
            ("Footage", "Until an admin destroys the class. Nothing is deleted automatically."),
            ("Oldest class", f"{oldest:%Y-%m-%d}" if oldest else "none"),
            (
                "Audit log",
                "As long as the studio exists. It contains ids; names can be erased separately.",
            ),
        ],
        [ToDo("There are no retention rules yet: destroy old classes by hand, and note when.")],
    )


def _consent(studio: Studio, actor: Actor) -> Section:
    return Section(
        "Consent",
        [("In this program", "Rosters are recorded; consent is not.")],
        [
            ToDo(
                "Consent is not supported yet: keep signed forms for each dancer and purpose outside the program."
            )
        ],
    )


def _others(studio: Studio, actor: Actor) -> Section:
    store = StudioStorage.objects.filter(store__isnull=False).select_related("store").first()
    named: list[tuple[str, str]] = []
    if store is not None and store.store is not None:
        named.append((urlsplit(store.store.endpoint).hostname or "", "stores encrypted footage"))
    elif host := urlsplit(settings.OBJECT_STORE_URL).hostname:
        named.append((host, "stores encrypted footage"))
    if settings.ENV.email_url:
        named.append((urlsplit(settings.ENV.email_url).hostname or "", "delivers mail to members"))
    if settings.CHECKPOINT_WEBHOOK:
        host = urlsplit(settings.CHECKPOINT_WEBHOOK).hostname or ""
        named.append((host, "stores checkpoints: hashes only"))
    named += [
        (provider.name, "authenticates members")
        for provider in IdentityProvider.objects.filter(enabled=True).order_by("name")
    ]
    section = Section("Who else is involved", [(name, what) for name, what in named if name])
    if not section.facts:
        section.facts = [("Nobody", "storage and mail are on the server itself, or not configured")]
    else:
        section.to_do.append(
            ToDo("Have a data processing agreement with each of them; this program has no copy.")
        )
    return section


def _support(studio: Studio, actor: Actor) -> Section:
    visits = list(BreakGlass.objects.order_by("-created_at")[:20])
    names = NameLookup(actor, [visit.operator_id for visit in visits], [])
    section = Section(
        "Support staff",
        [
            (
                "Permanent access to footage",
                "none; only break-glass access for a limited time, with a reason and a notice",
            )
        ],
    )
    section.facts += [
        (
            f"{visit.created_at:%Y-%m-%d %H:%M} UTC",
            f"{names.person(visit.operator_id)}: {visit.reason} (until {visit.ends_at:%H:%M})",
        )
        for visit in visits
    ]
    if not visits:
        section.facts.append(("So far", "never"))
    return section


def _proof(studio: Studio, actor: Actor) -> Section:
    length, _ = chain_head()
    verified = Entry.objects.filter(action=AUDIT_VERIFIED).order_by("-occurred_at", "-sequence").first()
    checkpoints = checkpoint_status(studio.created_at)
    waiting = Alert.objects.filter(acknowledgement__isnull=True)
    section = Section(
        "Proof",
        [
            ("Entries in the audit log", str(length)),
            ("Last verified", _verified(verified)),
            ("Last signed checkpoint", _at(checkpoints.taken_at)),
            ("Checkpoints are kept in", ", ".join(checkpoints.sinks)),
            ("Alerts nobody has looked into", str(waiting.count())),
            ("Rules that raise alerts", "; ".join(RULE_LABELS.values())),
        ],
    )
    if (verified.occurred_at if verified else studio.created_at) < timezone.now() - VERIFY_EVERY:
        section.to_do.append(ToDo("The audit log has not been verified for a month.", "audit"))
    elif verified and verified.details.get("first_bad"):
        section.to_do.append(
            ToDo(f"The audit log is broken at event {verified.details['first_bad']}.", "audit")
        )
    if checkpoints.is_late or checkpoints.copy_is_late:
        section.to_do.append(ToDo("Checkpoints are late: ask the operator of the platform.", "audit"))
    if not checkpoints.leaves:
        section.to_do.append(
            ToDo(
                "Checkpoints do not leave the server: ask the operator of the platform for a second sink.",
                "audit",
            )
        )
    if waiting.exists():
        section.to_do.append(ToDo("Look into the alerts.", "alerts"))
    return section


def _verified(entry: Entry | None) -> str:
    if entry is None:
        return "never"
    first_bad = entry.details.get("first_bad")
    outcome = f"broken at event {first_bad}" if first_bad else "unbroken"
    return f"{_at(entry.occurred_at)}, {outcome}"


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "never"


def _plain(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#|" else letter for letter in text)
