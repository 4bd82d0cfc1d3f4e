"""Template context of every page: whether mail works, and whether the person can sign in again."""

from django.http import HttpRequest

from control_plane.accounts.models import User
from control_plane.accounts.services import lacks_own_signin
from control_plane.accounts.sessions import may_set_first_credential, provider_of
from control_plane.common import mail


def signin_context(request: HttpRequest) -> dict[str, bool]:
    """Returns `has_mail`, and `cannot_return`: after signing out, neither a credential nor a mail lets the person in."""
    has_mail = mail.has_server()
    user = getattr(request, "user", None)
    cannot_return = (
        not has_mail
        and isinstance(user, User)
        and not request.path.startswith("/accounts/")
        and not provider_of(request)
        and may_set_first_credential(request)
        and lacks_own_signin(user)
    )
    return {"has_mail": has_mail, "cannot_return": cannot_return}
