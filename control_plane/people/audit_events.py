"""Audit events of dancers and guardians."""

from control_plane.audit.events import AuditEvent, Category, Rate, Severity

DANCER_ADDED = AuditEvent(
    "dancer.added",
    "A dancer was added.",
    category=Category.PEOPLE,
    sentence="{who} added {what}",
    rate=Rate(10_000, 20_000),
)
DANCER_CHANGED = AuditEvent(
    "dancer.changed",
    "A dancer's details were changed.",
    category=Category.PEOPLE,
    sentence="{who} changed the details of {what}",
)
DANCERS_LISTED = AuditEvent(
    "dancers.listed",
    "The list of dancers was viewed.",
    category=Category.PEOPLE,
    sentence="{who} viewed the list of dancers",
    is_read=True,
)
DANCER_OPENED = AuditEvent(
    "dancer.opened",
    "A dancer's page, with guardians, was viewed.",
    category=Category.PEOPLE,
    sentence="{who} viewed the page of {what}",
    is_read=True,
)
GUARDIANSHIP_STARTED = AuditEvent(
    "guardianship.started",
    "A person became a guardian of a dancer.",
    category=Category.PEOPLE,
    rate=Rate(2_000, 4_000),
)
GUARDIANSHIP_ENDED = AuditEvent(
    "guardianship.ended",
    "A person is no longer a guardian of a dancer.",
    category=Category.PEOPLE,
)
CONSENT_GIVEN = AuditEvent(
    "consent.given",
    "Consent was given for a dancer.",
    category=Category.PEOPLE,
    rate=Rate(5_000, 20_000),
)
CONSENT_REFUSED = AuditEvent(
    "consent.refused",
    "Consent was refused for a dancer.",
    category=Category.PEOPLE,
    rate=Rate(5_000, 20_000),
)
CONSENT_WITHDRAWN = AuditEvent(
    "consent.withdrawn",
    "Consent was withdrawn for a dancer.",
    category=Category.PEOPLE,
)
CONSENT_ASKED = AuditEvent(
    "consent.asked",
    "The people who answer for a dancer were asked for consent.",
    category=Category.PEOPLE,
    rate=Rate(2_000, 4_000),
)
CONSENT_REMINDED = AuditEvent(
    "consent.reminded",
    "A person was reminded of a request for consent.",
    category=Category.PEOPLE,
    severity=Severity.ROUTINE,
)
NOTICE_SAVED = AuditEvent(
    "notice.saved",
    "A draft of a notice was saved.",
    category=Category.PEOPLE,
    severity=Severity.ROUTINE,
    rate=Rate(200, 400),
)
NOTICE_PUBLISHED = AuditEvent(
    "notice.published",
    "A notice was published.",
    category=Category.PEOPLE,
    sentence="{who} published version {version} of the notice",
)
GUARDIAN_INVITED = AuditEvent(
    "guardian.invited",
    "A person was invited to become a guardian of a dancer.",
    category=Category.PEOPLE,
    rate=Rate(200, 400),
)
GUARDIAN_APPROVED = AuditEvent(
    "guardian.approved",
    "A person who had accepted an invitation was approved as a guardian of a dancer.",
    category=Category.PEOPLE,
)
GUARDIAN_DECLINED = AuditEvent(
    "guardian.declined",
    "A person who was invited is not to become a guardian of a dancer.",
    category=Category.PEOPLE,
)
DANCER_OF_AGE = AuditEvent(
    "dancer.of_age",
    "A dancer has come of age, and the people who answer for the dancer were told.",
    category=Category.PEOPLE,
)
CONSENTS_LISTED = AuditEvent(
    "consents.listed",
    "Consents of dancers were viewed.",
    category=Category.PEOPLE,
    sentence="{who} viewed the consents of dancers",
    is_read=True,
)
