"""People are changed by several at once: the second decides on the state that the first has left."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Barrier, Event
from types import ModuleType

import pytest
from django.apps import apps
from django.db import connection

from control_plane.access import access, member_permissions
from control_plane.access import services as access_services
from control_plane.access.model_access import view_action
from control_plane.access.models import ObjectPermission
from control_plane.access.roles import DEFAULTS
from control_plane.accounts.models import User
from control_plane.administration import services as administration_services
from control_plane.common.errors import Conflict, ControlPlaneError, NotFound
from control_plane.common.models import StudioOwned
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.fleet.permissions import RECORD
from control_plane.people import services as people_services
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Guardianship, Relation
from control_plane.recordings.permissions import EXPORT, REPLAY, SHARE
from control_plane.tenancy import locking as lock
from control_plane.tenancy.models import Membership
from tests.control_plane.conftest import SETUP, Cast

TIMEOUT_S = 60


def together(*writes: Callable[[], object]) -> list[ControlPlaneError | None]:
    """Runs all at the same time, each on a connection of its own; returns what each was refused with."""
    start = Barrier(len(writes))

    def one(write: Callable[[], object]) -> ControlPlaneError | None:
        try:
            start.wait(TIMEOUT_S)
            write()
        except ControlPlaneError as error:
            return error
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(len(writes)) as pool:
        return [item.result(TIMEOUT_S) for item in [pool.submit(one, write) for write in writes]]


@contextmanager
def held_before_the_lock(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType = member_permissions
) -> Iterator[tuple[Event, Event]]:
    """Stops the next who has been let through by `access`, and has not locked yet, until told to go on."""
    arrived, go_on = Event(), Event()
    real = lock.lock_studio

    def lock_studio(studio_id: object) -> None:
        if not arrived.is_set():
            arrived.set()
            assert go_on.wait(TIMEOUT_S)
        real(studio_id)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "lock_studio", lock_studio)
    try:
        yield arrived, go_on
    finally:
        go_on.set()


def test_of_two_admins_who_demote_each_other_one_stays(committed: Cast) -> None:
    cast = committed
    administration_services.change_role(cast.membership(cast.ivan), Role.ADMIN, actor=cast.alice.actor)
    alice, ivan = cast.membership(cast.alice), cast.membership(cast.ivan)
    refused = together(
        lambda: administration_services.change_role(ivan, Role.VIEWER, actor=cast.alice.actor),
        lambda: administration_services.change_role(alice, Role.VIEWER, actor=cast.ivan.actor),
    )
    assert sum(item is None for item in refused) == 1
    with studio_scope(cast.studio.id):
        assert Membership.objects.filter(role=Role.ADMIN).count() == 1


def test_of_two_admins_who_leave_at_once_one_stays(committed: Cast) -> None:
    cast = committed
    administration_services.change_role(cast.membership(cast.ivan), Role.ADMIN, actor=cast.alice.actor)
    alice, ivan = cast.membership(cast.alice), cast.membership(cast.ivan)
    refused = together(
        lambda: administration_services.remove_member(alice, actor=cast.alice.actor),
        lambda: administration_services.remove_member(ivan, actor=cast.ivan.actor),
    )
    assert [type(item) for item in refused if item is not None] == [Conflict]
    with studio_scope(cast.studio.id):
        assert Membership.objects.filter(role=Role.ADMIN).count() == 1


@pytest.mark.parametrize(
    "write",
    [
        lambda cast: administration_services.remove_member(cast.membership(cast.vera), actor=cast.ivan.actor),
        lambda cast: administration_services.change_role(
            cast.membership(cast.vera), Role.ADMIN, actor=cast.ivan.actor
        ),
        lambda cast: administration_services.set_membership_end(
            cast.membership(cast.vera), None, actor=cast.ivan.actor
        ),
        lambda cast: access_services.grant_permission(cast.vera, EXPORT, cast.studio, actor=cast.ivan.actor),
    ],
)
def test_an_admin_who_is_removed_while_waiting_changes_nothing_more(
    committed: Cast, monkeypatch: pytest.MonkeyPatch, write: Callable[[Cast], object]
) -> None:
    cast = committed
    administration_services.change_role(cast.membership(cast.ivan), Role.ADMIN, actor=cast.alice.actor)
    ivan = cast.membership(cast.ivan)
    with held_before_the_lock(monkeypatch) as (arrived, go_on), ThreadPoolExecutor(1) as pool:

        def late() -> None:
            try:
                write(cast)
            finally:
                connection.close()

        waiting = pool.submit(late)
        assert arrived.wait(TIMEOUT_S)
        administration_services.remove_member(ivan, actor=cast.alice.actor)
        go_on.set()
        with pytest.raises(NotFound):
            waiting.result(TIMEOUT_S)
    with studio_scope(cast.studio.id):
        roles = dict(Membership.objects.values_list("user_id", "role"))
    assert roles == {
        cast.alice.id: "admin",
        cast.vera.id: "viewer",
        cast.gita.id: "guardian",
        cast.pat.id: "partner",
    }


def test_a_right_given_while_its_person_is_removed_is_none(
    committed: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = committed
    vera = cast.membership(cast.vera)
    with held_before_the_lock(monkeypatch) as (arrived, go_on), ThreadPoolExecutor(1) as pool:

        def late() -> None:
            try:
                access_services.grant_permission(cast.vera, EXPORT, cast.studio, actor=cast.alice.actor)
            finally:
                connection.close()

        waiting = pool.submit(late)
        assert arrived.wait(TIMEOUT_S)
        administration_services.remove_member(vera, actor=cast.alice.actor)
        go_on.set()
        with pytest.raises(NotFound, match="no member"):
            waiting.result(TIMEOUT_S)
    with studio_scope(cast.studio.id):
        assert not ObjectPermission.objects.exists()


def test_nobody_is_tied_to_a_dancer_while_being_removed(
    committed: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = committed
    gita = cast.membership(cast.gita)
    dancer = people_services.add_dancer(cast.studio, NewDancer("Ada", 2015), actor=cast.alice.actor)
    with (
        held_before_the_lock(monkeypatch, people_services) as (arrived, go_on),
        ThreadPoolExecutor(1) as pool,
    ):

        def late() -> None:
            try:
                people_services.start_guardianship(dancer, cast.gita, Relation.PARENT, actor=cast.alice.actor)
            finally:
                connection.close()

        waiting = pool.submit(late)
        assert arrived.wait(TIMEOUT_S)
        administration_services.remove_member(gita, actor=cast.alice.actor)
        go_on.set()
        with pytest.raises(NotFound, match="not a member"):
            waiting.result(TIMEOUT_S)
    with studio_scope(cast.studio.id):
        assert not Guardianship.objects.exists()


def test_rights_given_and_members_removed_at_once_leave_no_right_behind(committed: Cast) -> None:
    cast = committed
    for _ in range(3):
        vera = cast.membership(cast.vera)

        def give(action: StudioPermission) -> Callable[[], object]:
            return lambda: access_services.grant_permission(
                cast.vera, action, cast.studio, actor=cast.alice.actor
            )

        together(
            *[give(action) for action in (EXPORT, SHARE, RECORD)],
            partial(administration_services.remove_member, vera, actor=cast.alice.actor),
        )
        with studio_scope(cast.studio.id):
            assert not ObjectPermission.objects.exists()
            administration_services.add_member(cast.studio, cast.vera, Role.VIEWER, actor=SETUP)


def test_a_role_is_never_remembered(committed: Cast) -> None:
    """Another connection takes a right away in the middle of an open scope; the next question knows."""
    cast = committed
    with studio_scope(cast.studio.id):
        assert access.can(cast.vera.actor, REPLAY, cast.studio)
        wanted = DEFAULTS[Role.VIEWER] - {REPLAY}
        (refused,) = together(
            lambda: access_services.set_role_actions(cast.studio, Role.VIEWER, wanted, actor=cast.alice.actor)
        )
        assert refused is None
        assert not access.can(cast.vera.actor, REPLAY, cast.studio)


def test_a_member_changed_by_a_page_that_is_old_is_read_anew(cast: Cast) -> None:
    stale = cast.membership(cast.ivan)
    administration_services.change_role(cast.membership(cast.ivan), Role.ADMIN, actor=cast.alice.actor)
    administration_services.remove_member(cast.membership(cast.alice), actor=cast.ivan.actor)
    assert stale.role == Role.INSTRUCTOR
    with pytest.raises(Conflict):
        administration_services.remove_member(stale, actor=cast.ivan.actor)
    gone = cast.membership(cast.vera)
    administration_services.remove_member(gone, actor=cast.ivan.actor)
    with pytest.raises(NotFound, match="not a member any more"):
        administration_services.change_role(gone, Role.VIEWER, actor=cast.ivan.actor)


def test_an_admin_who_cannot_sign_in_keeps_no_studio(cast: Cast) -> None:
    administration_services.change_role(cast.membership(cast.ivan), Role.ADMIN, actor=cast.alice.actor)
    User.objects.filter(pk=cast.ivan.pk).update(is_active=False)
    with pytest.raises(Conflict):
        administration_services.remove_member(cast.membership(cast.alice), actor=cast.alice.actor)


def test_every_table_of_a_studio_says_which_action_shows_it() -> None:
    tables = [model for model in apps.get_models() if issubclass(model, StudioOwned)]
    missing = sorted(model._meta.label for model in tables if not model.view_permission)
    assert not missing, f"declare view_permission: {', '.join(missing)}"
    assert all(view_action(model) for model in tables), "an unknown name raises"
