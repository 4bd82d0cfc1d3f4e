"""Mail to members about their membership. Without a mail server nothing is sent."""

from django.conf import settings

from control_plane.audit.events import AuditEvent
from control_plane.common import mail
from control_plane.common.actors import Actor, ActorKind
from control_plane.plans.rate_limits import may_mail
from control_plane.tenancy.audit_events import MEMBER_CHANGED, MEMBER_REMOVED, MEMBER_SESSIONS_ENDED
from control_plane.tenancy.models import Membership

TEMPLATE = "administration/mail/membership"
MAILED = (MEMBER_CHANGED, MEMBER_SESSIONS_ENDED, MEMBER_REMOVED)


def tell_member(membership: Membership, act: AuditEvent, *, actor: Actor) -> None:
    """Mails a member about an admin's change, after this transaction commits. Call it after the audit event.

    Not for the person's own changes, nor for those of provider groups and jobs. A mail server that is down undoes
    nothing. Repeated changes send only a few mails (`rate_limits.may_mail`).
    """
    if not mail.has_server() or actor.kind is not ActorKind.USER or actor.id == membership.user_id:
        return
    if not may_mail(str(membership.id), MAILED):
        return
    studio = membership.studio
    context = {
        "act": act,
        "studio": studio.name,
        "role": membership.get_role_display(),
        "page": f"{settings.PUBLIC_URL}/studio/{studio.slug}/classes/",
    }
    mail.send_on_commit(TEMPLATE, context, to=[membership.user.email], time_zone=studio.time_zone)
