"""Template context of every page: whether mail works, and whether this person has a way to sign in again."""

from django.http import HttpRequest

from control_plane.accounts import mail
from control_plane.accounts.models import User
from control_plane.accounts.services import lacks_own_signin
from control_plane.accounts.sessions import may_set_up, provider_of


def ways_in(request: HttpRequest) -> dict[str, bool]:
    """Return `has_mail`, and `cannot_return`: once signed out, nothing of their own and no mail lets the person in."""
    has_mail = mail.has_server()
    user = getattr(request, "user", None)
    cannot_return = (
        not has_mail
        and isinstance(user, User)
        and not request.path.startswith("/accounts/")
        and not provider_of(request)
        and may_set_up(request)
        and lacks_own_signin(user)
    )
    return {"has_mail": has_mail, "cannot_return": cannot_return}
