"""Every act that is put on record, one line each. The text is stored and never changes once released."""

from enum import StrEnum


class Action(StrEnum):
    """Codes of audit events."""

    STUDIO_CREATED = "studio.created"
    STUDIO_CHANGED = "studio.changed"
    STUDIO_KEY_MADE = "studio.key_made"
    STUDIO_KEYS_REWRAPPED = "studio.keys_rewrapped"
    STUDIO_KEY_DESTROYED = "studio.key_destroyed"
    STUDIO_SHREDDED = "studio.shredded"
    ROOT_KEY_ROTATED = "root_key.rotated"
    ROOM_CREATED = "room.created"
    ROOM_CHANGED = "room.changed"
    MEMBER_ADDED = "member.added"
    MEMBER_CHANGED = "member.changed"
    MEMBER_REMOVED = "member.removed"
    MEMBER_LEFT = "member.left"
    MEMBER_LINK_MADE = "member.link_made"
    MEMBER_SESSIONS_ENDED = "member.sessions_ended"
    GRANT_GIVEN = "grant.given"
    GRANT_TAKEN = "grant.taken"
    DENIAL_GIVEN = "denial.given"
    DENIAL_LIFTED = "denial.lifted"
    ROLE_CHANGED = "role.changed"
    ROLE_RESET = "role.reset"
    BREAK_GLASS_OPENED = "break_glass.opened"
    BREAK_GLASS_CLOSED = "break_glass.closed"
    OPERATOR_MADE = "operator.made"
    OPERATOR_ENDED = "operator.ended"
    DANCER_ADDED = "dancer.added"
    DANCER_CHANGED = "dancer.changed"
    GUARDIANSHIP_STARTED = "guardianship.started"
    GUARDIANSHIP_ENDED = "guardianship.ended"
    ROSTER_CHANGED = "roster.changed"
    ROSTER_CONFIRMED = "roster.confirmed"
    USER_CREATED = "user.created"
    USER_RENAMED = "user.renamed"
    SIGNED_IN = "signin.succeeded"
    SIGNIN_FAILED = "signin.failed"
    SIGNED_OUT = "signin.ended"
    SESSIONS_ENDED = "signin.sessions_ended"
    PASSWORD_CHANGED = "signin.password_changed"  # noqa: S105  # an act
    FACTOR_ADDED = "signin.factor_added"
    FACTOR_REMOVED = "signin.factor_removed"
    FACTOR_RENEWED = "signin.factor_renewed"
    SIGNIN_POLICY_CHANGED = "signin_policy.changed"
    PROVIDER_ADDED = "identity_provider.added"
    PROVIDER_CHANGED = "identity_provider.changed"
    PROVIDER_REMOVED = "identity_provider.removed"
    PROVIDER_DOMAIN_PROVEN = "identity_provider.domain_proven"
    PROVIDER_DOMAIN_LOST = "identity_provider.domain_lost"
    PROVIDER_OVERRULED = "identity_provider.overruled"
    INVITATION_SENT = "invitation.sent"
    INVITATION_REVOKED = "invitation.revoked"
    INVITATION_ACCEPTED = "invitation.accepted"
    SIGNIN_LINK_CREATED = "signin_link.created"
    SIGNIN_LINK_USED = "signin_link.used"
    AGENT_PAIRING_STARTED = "agent.pairing_started"
    AGENT_PAIRED = "agent.paired"
    AGENT_CHANGED = "agent.changed"
    AGENT_REVOKED = "agent.revoked"
    AGENT_DUPLICATED = "agent.duplicated"
    CAMERA_CREATED = "camera.created"
    CAMERA_CHANGED = "camera.changed"
    CAMERA_REMOVED = "camera.removed"
    CLASS_STARTED = "class.started"
    CLASS_STOPPED = "class.stopped"
    CLASS_CHANGED = "class.changed"
    CLASS_FINISHED = "class.finished"
    CLASS_REPLAYED = "class.replayed"
    CLASS_SHREDDED = "class.shredded"
    FOOTAGE_REMOVED = "footage.removed"
    FOOTAGE_COMMITTED = "footage.committed"
    FOOTAGE_DAMAGED = "footage.damaged"
    FOOTAGE_REPAIRED = "footage.repaired"
    SEGMENT_QUARANTINED = "segment.quarantined"
    KEY_OPENED = "key.opened"
    STORE_ADDED = "store.added"
    STORE_CHANGED = "store.changed"
    STORE_RETIRED = "store.retired"
    STORE_PROBED = "store.probed"
    STORE_REGION_SET = "store.region_set"
    STORE_MOVE_STARTED = "store.move_started"
    STORE_MOVE_RETRIED = "store.move_retried"
    STORE_MOVE_COPIED = "store.move_copied"
    STORE_MOVE_CANCELLED = "store.move_cancelled"
    STORE_MOVE_FINISHED = "store.move_finished"
    UPLOADS_SWEPT = "uploads.swept"
    PLAN_CREATED = "plan.created"
    PLAN_CHANGED = "plan.changed"
    PLAN_GIVEN = "plan.given"
    QUOTA_WARNED = "quota.warned"
    API_KEY_MADE = "api_key.made"
    API_KEY_REVOKED = "api_key.revoked"
    AUDIT_READ = "audit.read"
    AUDIT_VERIFIED = "audit.verified"
    AUDIT_EXPORTED = "audit.exported"
    CLASS_OPENED = "class.opened"
    PEOPLE_LISTED = "people.listed"
    PERSON_OPENED = "person.opened"
    ACCESS_READ = "access.read"
    DANCERS_LISTED = "dancers.listed"
    DANCER_OPENED = "dancer.opened"
    ROSTER_OPENED = "roster.opened"
    ADMIN_READ = "admin.read"
    REPORT_READ = "report.read"
    RECEIPTS_TAKEN = "receipts.taken"
    ASSESSMENT_READ = "assessment.read"
    WATCH_CHANGED = "watch.changed"
    ALERT_RAISED = "alert.raised"
    ALERTS_READ = "alerts.read"
    ALERT_ACKNOWLEDGED = "alert.acknowledged"


MEANINGS: dict[Action, str] = {
    Action.STUDIO_CREATED: "A studio was made.",
    Action.STUDIO_CHANGED: "A studio's name, colour or time zone was changed.",
    Action.STUDIO_KEY_MADE: "A new generation of the studio's keys was made.",
    Action.STUDIO_KEYS_REWRAPPED: "Everything of the studio stands under its newest keys.",
    Action.STUDIO_KEY_DESTROYED: "A retired generation of the studio's keys was destroyed.",
    Action.STUDIO_SHREDDED: "All recordings of the studio were destroyed.",
    Action.ROOT_KEY_ROTATED: "All studios' keys were put under another root key.",
    Action.ROOM_CREATED: "A room was made.",
    Action.ROOM_CHANGED: "A room was changed.",
    Action.MEMBER_ADDED: "A person became a member.",
    Action.MEMBER_CHANGED: "A member's role was changed.",
    Action.MEMBER_REMOVED: "A person stopped being a member.",
    Action.MEMBER_LEFT: "A person left the studio.",
    Action.MEMBER_LINK_MADE: "An admin made a one-time sign-in link for a member.",
    Action.MEMBER_SESSIONS_ENDED: "A member has to sign in again before the studio opens.",
    Action.GRANT_GIVEN: "A person was given a right on one thing.",
    Action.GRANT_TAKEN: "A right on one thing was taken back.",
    Action.DENIAL_GIVEN: "A person was denied something on one thing.",
    Action.DENIAL_LIFTED: "A denial on one thing was lifted.",
    Action.ROLE_CHANGED: "What a role allows was changed.",
    Action.ROLE_RESET: "A role was put back to what it comes with.",
    Action.BREAK_GLASS_OPENED: "A platform operator let themselves into a studio, for a reason and a time.",
    Action.BREAK_GLASS_CLOSED: "A platform operator's way into a studio was closed.",
    Action.OPERATOR_MADE: "A person was made a platform operator.",
    Action.OPERATOR_ENDED: "A person stopped being a platform operator.",
    Action.DANCER_ADDED: "A dancer was added.",
    Action.DANCER_CHANGED: "What is kept of a dancer was changed.",
    Action.GUARDIANSHIP_STARTED: "A person was made to answer for a dancer.",
    Action.GUARDIANSHIP_ENDED: "A person stopped answering for a dancer.",
    Action.ROSTER_CHANGED: "Who is expected in a class was changed; it is unconfirmed now.",
    Action.ROSTER_CONFIRMED: "Somebody confirmed who was in a class.",
    Action.USER_CREATED: "An account was made.",
    Action.USER_RENAMED: "A person changed the name that they are shown by.",
    Action.SIGNED_IN: "A person signed in.",
    Action.SIGNIN_FAILED: "Somebody tried to sign in and was refused.",
    Action.SIGNED_OUT: "A person signed out.",
    Action.SESSIONS_ENDED: "A person was signed out in other places.",
    Action.PASSWORD_CHANGED: "A person's password was set, changed or reset.",
    Action.FACTOR_ADDED: "A passkey or another second factor was added to an account.",
    Action.FACTOR_REMOVED: "A passkey or another second factor was removed from an account.",
    Action.FACTOR_RENEWED: "New recovery codes were made for an account.",
    Action.SIGNIN_POLICY_CHANGED: "How people sign in to the studio was changed.",
    Action.PROVIDER_ADDED: "An identity provider was added.",
    Action.PROVIDER_CHANGED: "An identity provider was changed.",
    Action.PROVIDER_REMOVED: "An identity provider was removed.",
    Action.PROVIDER_DOMAIN_PROVEN: "The owner of an e-mail domain named the studio in DNS.",
    Action.PROVIDER_DOMAIN_LOST: "The owner of an e-mail domain names the studio in DNS no more.",
    Action.PROVIDER_OVERRULED: "An identity provider wanted to take the studio's last admin away, and was refused.",
    Action.INVITATION_SENT: "A person was invited, or an invitation was sent again.",
    Action.INVITATION_REVOKED: "An invitation was taken back.",
    Action.INVITATION_ACCEPTED: "An invitation was accepted.",
    Action.SIGNIN_LINK_CREATED: "A one-time sign-in link was made.",
    Action.SIGNIN_LINK_USED: "A one-time sign-in link was used.",
    Action.AGENT_PAIRING_STARTED: "A pairing code was shown.",
    Action.AGENT_PAIRED: "A box was paired.",
    Action.AGENT_CHANGED: "A box was renamed, or given other times or another limit for its uploads.",
    Action.AGENT_REVOKED: "A box was revoked.",
    Action.AGENT_DUPLICATED: "Two boxes showed the same identity.",
    Action.CAMERA_CREATED: "A camera was added.",
    Action.CAMERA_CHANGED: "A camera's settings were changed.",
    Action.CAMERA_REMOVED: "A camera was removed.",
    Action.CLASS_STARTED: "Recording of a class was asked for.",
    Action.CLASS_STOPPED: "Recording of a class was asked to stop.",
    Action.CLASS_CHANGED: "A class was renamed or otherwise changed.",
    Action.CLASS_FINISHED: "All footage of a class has arrived.",
    Action.CLASS_REPLAYED: "A class was opened for replay.",
    Action.CLASS_SHREDDED: "A class was destroyed: its key is gone.",
    Action.FOOTAGE_REMOVED: "What was left of a destroyed class was removed.",
    Action.FOOTAGE_COMMITTED: "Footage of a class arrived and was verified.",
    Action.FOOTAGE_DAMAGED: "Footage that had arrived was found missing or damaged in its store; it is a gap now.",
    Action.FOOTAGE_REPAIRED: "Footage that was missing or damaged in its store is whole again.",
    Action.SEGMENT_QUARANTINED: "A segment that contradicts another was set aside.",
    Action.KEY_OPENED: "A content key was opened outside of a replay.",
    Action.STORE_ADDED: "A store of the studio's own was named.",
    Action.STORE_CHANGED: "Credentials or encryption of a store were changed.",
    Action.STORE_RETIRED: "A store was put out of use, and its credentials were forgotten.",
    Action.STORE_PROBED: "A store was tried, and found fit or not.",
    Action.STORE_REGION_SET: "Where the studio's footage has to stay was changed.",
    Action.STORE_MOVE_STARTED: "Moving footage to another store was begun; new footage goes there.",
    Action.STORE_MOVE_RETRIED: "Objects that could not be moved are tried again.",
    Action.STORE_MOVE_COPIED: "All footage that could be moved lies in the other store, verified.",
    Action.STORE_MOVE_CANCELLED: "Moving footage was cancelled; new footage goes to the old store again.",
    Action.STORE_MOVE_FINISHED: "The old copies of moved footage are gone.",
    Action.UPLOADS_SWEPT: "What was announced and never sent, or set aside long ago, was swept away.",
    Action.PLAN_CREATED: "A plan was made.",
    Action.PLAN_CHANGED: "A plan's limits were changed.",
    Action.PLAN_GIVEN: "A studio was given a plan, or limits of its own.",
    Action.QUOTA_WARNED: "The admins were told that the storage of the plan is nearly used.",
    Action.API_KEY_MADE: "A key for a program was made.",
    Action.API_KEY_REVOKED: "A key for a program was taken back.",
    Action.AUDIT_READ: "The audit log was read.",
    Action.AUDIT_VERIFIED: "The audit log was verified.",
    Action.AUDIT_EXPORTED: "The audit log, or a selection of it, was exported.",
    Action.CLASS_OPENED: "The page of a class was opened.",
    Action.PEOPLE_LISTED: "The list of the studio's people was read.",
    Action.PERSON_OPENED: "A member's page, with what they can see, was opened.",
    Action.ACCESS_READ: "Who can see a class, a room or the studio was read.",
    Action.DANCERS_LISTED: "The list of dancers was read.",
    Action.DANCER_OPENED: "A dancer's page, with guardians, was opened.",
    Action.ROSTER_OPENED: "The roster of a class was read.",
    Action.ADMIN_READ: "A page of the admin site that shows people was read.",
    Action.REPORT_READ: "The report of who saw a dancer was read.",
    Action.RECEIPTS_TAKEN: "The studio's receipts of the signed checkpoints were downloaded.",
    Action.ASSESSMENT_READ: "The privacy assessment was read.",
    Action.WATCH_CHANGED: "What counts as an unusual read was changed.",
    Action.ALERT_RAISED: "A read was out of the ordinary.",
    Action.ALERTS_READ: "The alerts were read.",
    Action.ALERT_ACKNOWLEDGED: "Somebody looked into an alert.",
}
