"""A person who came in by a link can come back: a first password or passkey, a banner until then, a new link by an admin."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from control_plane.access.services.api_keys import actor_of
from control_plane.accounts.models import SigninLink, User
from control_plane.accounts.services import create_signin_link, create_user, rename_user
from control_plane.administration import services
from control_plane.administration.services.invitations import accept, invite
from control_plane.administration.services.operators import make_operator
from control_plane.administration.services.signin_links import REFUSED, create_member_link
from control_plane.audit.models import Entry
from control_plane.audit.services import chain_scope
from control_plane.common.errors import Conflict, Forbidden, NotFound
from control_plane.common.mail import NO_SERVER
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.identity.models import IdentityProvider, ProviderKind
from control_plane.identity.services.sso import ProviderClaims, admit
from control_plane.tenancy.models import Membership
from tests.control_plane.accounts.test_factors import KEY, code
from tests.control_plane.accounts.test_sessions import HTML, PASSWORD, another, enter, is_in
from tests.control_plane.conftest import SETUP, Cast

BANNER = "You cannot sign in again yet"
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    cache.clear()


@pytest.fixture
def no_mail(settings: Any) -> None:
    """No mail server is set."""
    settings.EMAIL_BACKEND = NO_SERVER


def use(link: str, client: Client | None = None) -> tuple[Client, str]:
    """Presses the button of a link, and returns the browser and where it was led."""
    client = client or Client(headers=HTML)
    path = "/invitation/" if "/invitation/" in link else "/accounts/link/"
    answer = client.post(path, {"token": link.partition("token=")[2]})
    assert answer.status_code == 302, answer.content.decode()[:300]
    return client, str(answer["Location"])


def invited(cast: Cast, address: str = "tina@example.org") -> str:
    return invite(cast.studio, address, Role.INSTRUCTOR, actor=cast.alice.actor).link


def person_page(cast: Cast, user: User) -> str:
    return f"/studio/{cast.studio.slug}/people/{cast.membership(user).id}/"


def classes(cast: Cast) -> str:
    return f"/studio/{cast.studio.slug}/classes/"


def test_an_accepted_invitation_ends_on_name_and_password(cast: Cast, no_mail: None) -> None:
    client, where = use(invited(cast))
    assert where == "/accounts/welcome/"
    page = client.get(where).content.decode()
    for words in ("Your name", "Password again", "Add a passkey instead", "Skip for now"):
        assert words in page
    posted = {"display_name": "  Tina   Turner ", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post(where, posted)["Location"] == "/"
    tina = User.objects.get(email="tina@example.org")
    assert tina.display_name == "Tina Turner"
    assert is_in(client), "the session goes on"
    client.post("/accounts/logout/")
    back = Client(headers=HTML)
    back.post("/accounts/login/", {"login": tina.email, "password": PASSWORD})
    assert back.get(classes(cast)).status_code == 200


def test_the_link_of_a_new_studios_owner_ends_there_too(cast: Cast) -> None:
    owner = create_user("owner@example.org", actor=SETUP)
    client, where = use(create_signin_link(owner, actor=SETUP))
    assert where == "/accounts/welcome/"
    assert client.get(where).status_code == 200


def test_who_has_a_way_in_is_not_asked(cast: Cast) -> None:
    cast.vera.set_password(PASSWORD)
    cast.vera.save()
    _, where = use(create_signin_link(cast.vera, actor=SETUP))
    assert where == "/"
    Authenticator.objects.create(user=cast.ivan, type=Authenticator.Type.WEBAUTHN, data={"credential": {}})
    client = Client(headers=HTML)
    client.force_login(cast.ivan, BACKEND)
    assert client.get("/accounts/welcome/")["Location"] == "/"


@pytest.mark.parametrize(
    ("posted", "words"),
    [
        ({"password1": PASSWORD, "password2": "another"}, "not the same"),
        ({"password1": "short", "password2": "short"}, "at least 12"),
        ({"display_name": "x" * 121}, "at most 120"),
    ],
)
def test_what_does_not_fit_is_said_and_changes_nothing(
    cast: Cast, no_mail: None, posted: dict[str, str], words: str
) -> None:
    client, where = use(invited(cast))
    answer = client.post(where, posted)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    tina = User.objects.get(email="tina@example.org")
    assert (tina.display_name, tina.has_usable_password()) == ("", False)


def test_a_banner_stands_on_every_page_until_it_is_done(cast: Cast, no_mail: None) -> None:
    client, where = use(invited(cast))
    client.post(where, {"display_name": "Tina"})
    for page in (classes(cast), f"/studio/{cast.studio.slug}/rooms/", "/?all=1"):
        assert BANNER in client.get(page).content.decode(), page
    assert BANNER not in client.get("/accounts/welcome/").content.decode()
    with time_machine.travel(timezone.now() + timedelta(hours=3)):
        assert client.get("/accounts/welcome/").status_code == 200, "what the banner leads to has to be open"
        client.post("/accounts/welcome/", {"password1": PASSWORD, "password2": PASSWORD})
        assert BANNER not in client.get(classes(cast)).content.decode()


def test_no_banner_where_mail_helps_or_a_passkey_or_provider_does(cast: Cast, settings: Any) -> None:
    client, _ = use(create_signin_link(cast.vera, actor=SETUP))
    assert BANNER not in client.get(classes(cast)).content.decode()
    settings.EMAIL_BACKEND = NO_SERVER
    assert BANNER in client.get(classes(cast)).content.decode()
    Authenticator.objects.create(user=cast.vera, type=Authenticator.Type.WEBAUTHN, data={"credential": {}})
    assert BANNER not in client.get(classes(cast)).content.decode()


def test_with_mail_a_first_password_still_takes_a_recent_sign_in(cast: Cast) -> None:
    client, where = use(create_signin_link(cast.vera, actor=SETUP))
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        assert client.get(where).status_code == 403
        assert client.post(where, {"password1": PASSWORD, "password2": PASSWORD}).status_code == 403


def test_a_session_that_an_admin_ended_sets_no_first_password(cast: Cast, no_mail: None) -> None:
    """A thief who holds it would set one, confirm with it, and be back in the studio."""
    thief, where = use(create_signin_link(cast.vera, actor=SETUP))
    services.end_member_sessions(cast.membership(cast.vera), actor=cast.alice.actor)
    for page in (
        where,
        "/accounts/password/set/",
        "/accounts/2fa/webauthn/add/",
        "/accounts/2fa/totp/activate/",
    ):
        assert thief.post(page, {"password1": PASSWORD, "password2": PASSWORD}).status_code == 403, page
    assert BANNER not in thief.get("/?all=1").content.decode()
    cast.vera.refresh_from_db()
    assert not cast.vera.has_usable_password()
    owner, where = use(create_member_link(cast.membership(cast.vera), actor=cast.alice.actor))
    assert owner.post(where, {"password1": PASSWORD, "password2": PASSWORD}).status_code == 302
    assert owner.get(classes(cast)).status_code == 200


SECOND_STEP = {"name": "key", "credential": {"clientExtensionResults": {"credProps": {"rk": False}}}}


def test_an_app_alone_is_asked_for_before_a_password_is_set(cast: Cast, no_mail: None) -> None:
    client, where = use(create_signin_link(cast.vera, actor=SETUP))
    TOTP.activate(cast.vera, KEY)
    assert BANNER in client.get(classes(cast)).content.decode()
    posted = {"password1": PASSWORD, "password2": PASSWORD}
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        assert client.post(where, posted)["Location"] == "/accounts/password/set/"
        asked = client.get("/accounts/password/set/")["Location"]
        assert asked.startswith("/accounts/2fa/reauthenticate/")
        assert client.post("/accounts/password/set/", posted).status_code == 302
        cast.vera.refresh_from_db()
        assert not cast.vera.has_usable_password()
        client.post(asked, {"code": code()})
        client.post("/accounts/password/set/", posted)
    cast.vera.refresh_from_db()
    assert cast.vera.check_password(PASSWORD)


def test_a_key_that_is_a_second_step_alone_is_no_way_back(cast: Cast, no_mail: None) -> None:
    client, where = use(create_signin_link(cast.vera, actor=SETUP))
    Authenticator.objects.create(user=cast.vera, type=Authenticator.Type.WEBAUTHN, data=SECOND_STEP)
    assert BANNER in client.get(classes(cast)).content.decode()
    assert client.get(where)["Location"] == "/accounts/password/set/"


def test_the_first_passkey_signs_in_alone_unless_that_is_unticked(cast: Cast, no_mail: None) -> None:
    client, where = use(create_signin_link(cast.vera, actor=SETUP))
    answer = client.post(where, {"display_name": "Vera V.", "passkey": "1"})
    assert answer["Location"] == "/accounts/2fa/webauthn/add/"
    cast.vera.refresh_from_db()
    assert cast.vera.display_name == "Vera V.", "a name that was typed is kept"
    ticked = re.compile(r'<input type="checkbox" name="passwordless"[^>]*checked')
    assert ticked.search(client.get("/accounts/2fa/webauthn/add/").content.decode())
    client.post(where, {"password1": PASSWORD, "password2": PASSWORD})
    assert not ticked.search(client.get("/accounts/2fa/webauthn/add/").content.decode())


# --- a new link by an admin


def test_an_admin_makes_a_link_for_somebody_who_cannot_come_back(cast: Cast, no_mail: None) -> None:
    tina = accept(invited(cast).partition("token=")[2], user=None)
    alice = enter(cast.alice)
    page = person_page(cast, tina)
    assert "New sign-in link" in alice.get(page).content.decode()
    shown = alice.post(f"{page}sign-in-link/").content.decode()
    found = re.search(r"http\S+/accounts/link/\?token=[\w-]{43}", shown)
    assert found is not None
    assert found[0] not in alice.get(page).content.decode()
    with studio_scope(cast.studio.id):
        event = Entry.objects.get(action="member.link_made")
    assert (event.actor_id, event.details) == (cast.alice.id, {"user": str(tina.id)})
    row = SigninLink.objects.get()
    assert timedelta(minutes=14) < row.expires_at - timezone.now() <= timedelta(minutes=15)
    client, where = use(found[0])
    assert where == "/accounts/welcome/"
    assert client.get(classes(cast)).status_code == 200


def of_another_studio(cast: Cast, other: Cast, user: User) -> None:
    services.add_member(other.studio, user, Role.VIEWER, actor=SETUP)


def ended_elsewhere(cast: Cast, other: Cast, user: User) -> None:
    of_another_studio(cast, other, user)
    with studio_scope(other.studio.id):
        Membership.objects.filter(user=user).update(ends_at=timezone.now() - timedelta(days=1))


def with_password(cast: Cast, other: Cast, user: User) -> None:
    user.set_password(PASSWORD)
    user.save()


def with_passkey(cast: Cast, other: Cast, user: User) -> None:
    Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data={"credential": {}})


def with_app(cast: Cast, other: Cast, user: User) -> None:
    TOTP.activate(user, KEY)


def with_provider(cast: Cast, other: Cast, user: User) -> None:
    SocialAccount.objects.create(user=user, provider="x", uid="y")


def operator(cast: Cast, other: Cast, user: User) -> None:
    user.is_operator = True
    user.save()


MORE = [of_another_studio, ended_elsewhere, with_password, with_passkey, with_app, with_provider, operator]


@pytest.mark.parametrize("more", MORE, ids=lambda more: more.__name__)
def test_no_link_opens_more_than_the_studio_and_why_is_not_told(
    cast: Cast, other: Cast, no_mail: None, more: Any
) -> None:
    """A link opens the account: where that is more than this studio's, its admins do not get one."""
    more(cast, other, cast.vera)
    with pytest.raises(Conflict) as refused:
        create_member_link(cast.membership(cast.vera), actor=cast.alice.actor)
    assert refused.value.detail == REFUSED, "each reason reads alike: one of them is another studio"
    assert not SigninLink.objects.exists()
    answer = enter(cast.alice).post(f"{person_page(cast, cast.vera)}sign-in-link/", follow=True)
    assert "No link can be created for this person" in answer.content.decode()


def test_a_link_is_void_once_the_account_is_worth_more(cast: Cast, other: Cast, no_mail: None) -> None:
    link = create_member_link(cast.membership(cast.vera), actor=cast.alice.actor)
    services.add_member(other.studio, cast.vera, Role.VIEWER, actor=SETUP)
    assert Client().post("/accounts/link/", {"token": link.partition("token=")[2]}).status_code == 410
    link = create_member_link(cast.membership(cast.ivan), actor=cast.alice.actor)
    client, where = use(create_signin_link(cast.ivan, actor=SETUP))
    client.post(where, {"password1": PASSWORD, "password2": PASSWORD})
    assert Client().post("/accounts/link/", {"token": link.partition("token=")[2]}).status_code == 410


def joined_by_invitation(cast: Cast, other: Cast, owner: Client, user: User) -> None:
    use(invite(other.studio, user.email, Role.VIEWER, actor=other.alice.actor).link, owner)


def joined_by_the_platform(cast: Cast, other: Cast, owner: Client, user: User) -> None:
    services.add_member(other.studio, user, Role.VIEWER, actor=SETUP)


def joined_by_founding(cast: Cast, other: Cast, owner: Client, user: User) -> None:
    services.create_studio(slug="third", name="Third", actor=SETUP, admin=user)


def joined_by_provider(cast: Cast, other: Cast, owner: Client, user: User) -> None:
    domain = user.email.rpartition("@")[2]
    with studio_scope(other.studio.id):
        provider = IdentityProvider.objects.create(
            studio=other.studio,
            kind=ProviderKind.OIDC,
            name="P",
            domains=[domain],
            proven_domains={domain: timezone.now().isoformat()},
            default_role=Role.VIEWER,
        )
    said = ProviderClaims(address=user.email, verified=True, name="", groups=frozenset())
    assert admit(provider, said, linked=None).user == user


JOINED = [joined_by_invitation, joined_by_the_platform, joined_by_founding, joined_by_provider]


@pytest.mark.parametrize("join", JOINED, ids=lambda join: join.__name__)
def test_a_session_of_a_link_ends_once_the_account_is_worth_more(
    cast: Cast, other: Cast, no_mail: None, join: Any
) -> None:
    """An admin opens the link that was made for a member, who joins another studio then: it is not open to the admin."""
    owner, where = use(create_signin_link(cast.vera, actor=SETUP))
    thief, _ = use(create_member_link(cast.membership(cast.vera), actor=cast.alice.actor))
    assert is_in(thief)
    join(cast, other, owner, cast.vera)
    assert not is_in(thief)
    assert thief.get(classes(other)).status_code in (302, 401, 404)
    thief.post(where, {"password1": PASSWORD, "password2": PASSWORD})
    cast.vera.refresh_from_db()
    assert not cast.vera.has_usable_password()
    if join is joined_by_invitation:
        assert owner.get(classes(other)).status_code == 200, "the session in which the person joins goes on"


def test_a_person_with_an_own_way_in_stays_signed_in_everywhere(cast: Cast, other: Cast) -> None:
    """A password has ended all sessions that were there before it; those since are the person's own."""
    places = [enter(cast.vera), another(cast.vera)]
    services.add_member(other.studio, cast.vera, Role.VIEWER, actor=SETUP)
    assert [place.get(classes(other)).status_code for place in places] == [200, 200]


def test_a_link_is_void_once_the_account_is_an_operators(cast: Cast, no_mail: None) -> None:
    link = create_member_link(cast.membership(cast.vera), actor=cast.alice.actor)
    make_operator(cast.vera.email, actor=SETUP)
    assert Client().post("/accounts/link/", {"token": link.partition("token=")[2]}).status_code == 410


def test_a_new_link_ends_the_one_before(cast: Cast, no_mail: None) -> None:
    first = create_member_link(cast.membership(cast.vera), actor=cast.alice.actor)
    second = create_member_link(cast.membership(cast.vera), actor=cast.alice.actor)
    assert Client().post("/accounts/link/", {"token": first.partition("token=")[2]}).status_code == 410
    use(second)


def test_where_mail_works_there_is_no_link(cast: Cast) -> None:
    alice = enter(cast.alice)
    page = person_page(cast, cast.vera)
    assert "New sign-in link" not in alice.get(page).content.decode()
    assert "Forgot your password" in alice.post(f"{page}sign-in-link/", follow=True).content.decode()
    assert not SigninLink.objects.exists()


def test_who_may_not_manage_people_makes_no_link(cast: Cast, other: Cast, no_mail: None) -> None:
    member = cast.membership(cast.vera)
    for actor, refusal in ((cast.ivan.actor, Forbidden), (other.alice.actor, NotFound), (SETUP, Forbidden)):
        with pytest.raises(refusal):
            create_member_link(member, actor=actor)
    key, _ = services_key(cast)
    with pytest.raises(Forbidden):
        create_member_link(member, actor=actor_of(key))
    services.set_membership_end(member, timezone.now() + timedelta(minutes=1), actor=cast.alice.actor)
    with time_machine.travel(timezone.now() + timedelta(minutes=2)), pytest.raises(NotFound):
        create_member_link(member, actor=cast.alice.actor)
    assert not SigninLink.objects.exists()


def services_key(cast: Cast) -> Any:
    from control_plane.access.services.api_keys import make_api_key
    from control_plane.tenancy.permissions import MANAGE_PEOPLE

    soon = timezone.now() + timedelta(days=1)
    return make_api_key(
        cast.studio, name="x", actions=[MANAGE_PEOPLE], expires_at=soon, actor=cast.alice.actor
    )


# --- invited again


def test_who_was_removed_and_had_nothing_comes_back_by_an_invitation(cast: Cast, no_mail: None) -> None:
    client, _ = use(invited(cast))
    tina = User.objects.get(email="tina@example.org")
    services.remove_member(cast.membership(tina), actor=cast.alice.actor)
    again, where = use(invited(cast))
    assert where == "/accounts/welcome/"
    assert again.get(classes(cast)).status_code == 200
    assert not is_in(client), "the earlier holder of the account is out"
    assert cast.role_of(tina) == "instructor"


def test_who_made_the_account_first_is_out_when_its_owner_is_invited(
    cast: Cast, other: Cast, no_mail: None
) -> None:
    """Another studio's admin accepts an invitation in somebody's name, keeps the session, and removes the membership."""
    thief, _ = use(invited(other))
    tina = User.objects.get(email="tina@example.org")
    services.remove_member(other.membership(tina), actor=other.alice.actor)
    assert is_in(thief)
    owner, _ = use(invited(cast))
    assert (is_in(thief), is_in(owner)) == (False, True)


@pytest.mark.parametrize("held", ["password", "other studio"])
def test_who_has_something_of_their_own_signs_in_first_and_is_told_so(
    cast: Cast, other: Cast, no_mail: None, held: str
) -> None:
    client, where = use(invited(other))
    tina = User.objects.get(email="tina@example.org")
    if held == "password":
        client.post(where, {"password1": PASSWORD, "password2": PASSWORD})
        services.remove_member(other.membership(tina), actor=other.alice.actor)
    link = invited(cast)
    fresh = Client(headers=HTML)
    answer = fresh.post("/invitation/", {"token": link.partition("token=")[2]}, follow=True)
    assert "You have an account with this address already" in answer.content.decode()
    assert (is_in(fresh), cast.role_of(tina)) == (False, None)


# --- names


def test_people_change_their_own_name(cast: Cast) -> None:
    vera = enter(cast.vera)
    page = vera.get("/accounts/profile/").content.decode()
    assert 'value="Vera"' in page
    assert vera.post("/accounts/profile/", {"display_name": "Vera  V."}, follow=True).status_code == 200
    cast.vera.refresh_from_db()
    assert cast.vera.display_name == "Vera V."
    with chain_scope(None):
        (event,) = Entry.objects.filter(action="user.renamed")
    assert (event.actor_id, event.details) == (cast.vera.id, {})
    for actor in (cast.alice.actor, SETUP):
        with pytest.raises(Forbidden):
            rename_user(cast.vera, "Somebody", actor=actor)


# --- texts that name a door that exists


def test_pages_name_no_door_that_is_not_there(cast: Cast, settings: Any) -> None:
    client = Client(headers=HTML)
    mailed = {page: client.get(f"/accounts/{page}/").content.decode() for page in ("login", "password/reset")}
    assert "mails you a link" in mailed["login"]
    assert "Send link" in mailed["password/reset"]
    settings.EMAIL_BACKEND = NO_SERVER
    login, reset = (client.get(f"/accounts/{page}/").content.decode() for page in mailed)
    assert "mails you a link" not in login
    assert "a new sign-in link" in login
    assert "This server cannot send e-mail" in reset
    assert "Send link" not in reset
    posted = client.post("/accounts/password/reset/", {"email": cast.vera.email})
    assert posted.status_code == 200
    assert "on its way" not in posted.content.decode()
