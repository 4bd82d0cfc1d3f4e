"""Check for platform operators."""

from django.conf import settings

from control_plane.accounts.models import User
from control_plane.accounts.second_factor import has_second_factor
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import Forbidden, NotFound


def require_operator(actor: Actor) -> User:
    """Returns the user of `actor`, who must be a platform operator.

    Raises:
        NotFound: `actor` is not an operator, and must not learn that there is anything to find.
        Forbidden: the operator's account lacks the required second factor.
    """
    operator = None
    if actor.kind is ActorKind.USER and actor.id is not None:
        operator = User.objects.filter(pk=actor.id, is_operator=True, is_active=True).first()
    if operator is None:
        raise NotFound
    if settings.OPERATORS_NEED_SECOND_FACTOR and not has_second_factor(operator):
        raise Forbidden("Add a passkey or an authenticator app to your account first.")
    return operator
