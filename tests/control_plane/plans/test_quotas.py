"""A plan limits what is new and never what is being recorded; two at once do not pass where one may."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.db import connections
from django.utils import timezone

from control_plane.accounts.models import User
from control_plane.administration import services as studios
from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest, Conflict, NotFound, TooManyRequests
from control_plane.common.humanize import format_size
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.fleet import pairing
from control_plane.fleet import services as fleet
from control_plane.fleet.models import Agent, Camera
from control_plane.plans import quotas, throttling
from control_plane.plans.models import Limit, Plan
from control_plane.plans.quotas import QuotaReached, allowance, require_quota
from control_plane.plans.services import assign_plan, change_plan, create_plan
from control_plane.recordings import services as recordings
from control_plane.recordings.plan_usage import limit_usages, list_studio_usage, warn_when_nearly_full
from control_plane.storage.models import StudioStorage
from control_plane.tenancy.models import Membership
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.conftest import SETUP, Cast
from tests.control_plane.scenes import make_scene
from tests.control_plane.sending import upload


def planned(cast: Cast, **overrides: int | None) -> Plan:
    """Gives the cast's studio a plan without limits but for `overrides`."""
    plan = create_plan(
        actor=SETUP, slug=f"plan-{cast.studio.slug}", name="Small", contact="sales@example.org"
    )
    assign_plan(cast.studio, plan, actor=SETUP, overrides=overrides)
    return plan


def test_without_a_plan_there_is_no_limit(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        assert {use.limit: use.most for use in limit_usages()} == dict.fromkeys(
            set(Limit) - {Limit.ANALYSES_PER_MONTH}
        )


def test_the_default_plan_is_everybodys_and_overrides_are_one_studios(cast: Cast, other: Cast) -> None:
    plan = create_plan(actor=SETUP, slug="basic", name="Basic", agents=2, cameras=6, is_default=True)
    assign_plan(cast.studio, plan, actor=SETUP, overrides={"agents": 5, "cameras": None})
    with studio_scope(cast.studio.id):
        assert (allowance().most(Limit.AGENTS), allowance().most(Limit.CAMERAS)) == (5, None)
    with studio_scope(other.studio.id):
        assert (allowance().most(Limit.AGENTS), allowance().most(Limit.CAMERAS)) == (2, 6)
    change_plan(plan, actor=SETUP, agents=3)
    with studio_scope(other.studio.id):
        assert allowance().most(Limit.AGENTS) == 3
    with studio_scope(cast.studio.id):
        acts = set(Entry.objects.values_list("action", flat=True))
    assert "plan.given" in acts


def test_a_second_default_plan_takes_the_firsts_place(db: None) -> None:
    first = create_plan(actor=SETUP, slug="one", name="One", is_default=True)
    create_plan(actor=SETUP, slug="two", name="Two", is_default=True)
    first.refresh_from_db()
    assert not first.is_default


@pytest.mark.parametrize("wrong", [{"agent": 1}, {"agents": -1}, {"agents": "many"}, {"agents": 2**40}])
def test_an_override_that_is_none_is_refused(cast: Cast, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        planned(cast, **wrong)


def test_only_operators_make_plans_and_see_all_studios(cast: Cast, settings: Any) -> None:
    settings.OPERATORS_NEED_SECOND_FACTOR = False
    for person in (cast.alice, cast.sam):
        with pytest.raises(NotFound):
            create_plan(actor=person.actor, slug="mine", name="Mine")
        with pytest.raises(NotFound):
            assign_plan(cast.studio, Plan(slug="x", name="x"), actor=person.actor)
        with pytest.raises(NotFound):
            list_studio_usage(actor=person.actor)
    User.objects.filter(pk=cast.sam.pk).update(is_operator=True)
    create_plan(actor=cast.sam.actor, slug="theirs", name="Theirs")
    found = {item.id: item for item in list_studio_usage(actor=cast.sam.actor)}
    assert found[cast.studio.id].uses
    assert "Ballet" not in repr(found)


def test_one_agent_too_many_is_refused_with_the_limit_the_use_and_whom_to_ask(cast: Cast) -> None:
    scene = make_scene(cast)
    planned(cast, agents=1)
    with pytest.raises(QuotaReached) as caught:
        pairing.create_pairing_code(cast.studio, actor=cast.alice.actor)
    assert "includes 1 agent, and 1 are used" in str(caught.value)
    assert "sales@example.org" in str(caught.value)
    code = pairing.create_pairing_code(cast.studio, actor=cast.alice.actor, replaces=scene.agent)
    pairing.claim_pairing_code(AgentClient().pair_request(code.text))
    with studio_scope(cast.studio.id):
        assert Agent.objects.count() == 2, "an agent may always be replaced"


def test_a_code_from_before_the_limit_pairs_no_agent_beyond_it(cast: Cast) -> None:
    codes = [pairing.create_pairing_code(cast.studio, actor=cast.alice.actor).text for _ in range(2)]
    planned(cast, agents=1)
    pairing.claim_pairing_code(AgentClient().pair_request(codes[0]))
    with pytest.raises(QuotaReached):
        pairing.claim_pairing_code(AgentClient().pair_request(codes[1]))
    planned_more = Plan.objects.get(slug=f"plan-{cast.studio.slug}")
    assign_plan(cast.studio, planned_more, actor=SETUP)
    pairing.claim_pairing_code(AgentClient().pair_request(codes[1]))


def test_a_camera_too_many_is_refused(cast: Cast) -> None:
    scene = make_scene(cast)
    planned(cast, cameras=3)
    with pytest.raises(QuotaReached, match="includes 3 cameras, and 3 are used"):
        fleet.add_camera(
            scene.room, scene.agent, name="ceiling", position="centre", address="rtsp://10.0.0.2/x",
            actor=cast.alice.actor,
        )  # fmt: skip
    with studio_scope(cast.studio.id):
        assert Camera.objects.count() == 3


def test_a_person_too_many_is_refused(cast: Cast) -> None:
    planned(cast, members=5)
    with pytest.raises(QuotaReached, match="includes 5 people, and 5 are used"):
        studios.add_member(cast.studio, cast.sam, Role.VIEWER, actor=SETUP)


def test_of_many_who_join_at_once_as_many_as_fit_do(committed: Cast) -> None:
    from control_plane.accounts.services import create_user

    planned(committed, members=8)
    people = [create_user(f"p{number}@example.org", actor=SETUP) for number in range(8)]

    def join(user: User) -> bool:
        try:
            studios.add_member(committed.studio, user, Role.VIEWER, actor=SETUP)
        except QuotaReached:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        joined = list(pool.map(join, people))
    assert joined.count(True) == 3
    with studio_scope(committed.studio.id):
        assert Membership.objects.count() == 8


def test_full_storage_stops_new_classes_and_takes_what_is_being_recorded(cast: Cast, tmp_path: Path) -> None:
    scene = make_scene(cast)
    first, second = scene.cuts(tmp_path, seconds=2)
    planned(cast, storage_bytes=len(first.content))
    upload(scene, first)
    with studio_scope(cast.studio.id):
        room = studios.create_room(cast.studio, name="Second room", actor=cast.alice.actor)
        fleet.add_camera(
            room, scene.agent, name="c", position="left", address="rtsp://10.0.0.2/x", actor=cast.alice.actor
        )
    with pytest.raises(Conflict, match="No new class can be recorded") as caught:
        recordings.start_class(room, actor=cast.ivan.actor)
    assert f"includes {format_size(len(first.content))} of storage" in str(caught.value)
    # Footage of a running class is always taken.
    upload(scene, second)
    assign_plan(cast.studio, Plan.objects.get(slug=f"plan-{cast.studio.slug}"), actor=SETUP)
    recordings.start_class(room, actor=cast.ivan.actor)


def test_nearly_full_storage_is_told_once_a_week(cast: Cast, tmp_path: Path, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    scene = make_scene(cast)
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    planned(cast, storage_bytes=len(made.content) * 2)
    assert not warn_when_nearly_full(cast.studio.id)
    assign_plan(
        cast.studio, Plan.objects.get(slug=f"plan-{cast.studio.slug}"), actor=SETUP,
        overrides={"storage_bytes": len(made.content) + 10},
    )  # fmt: skip
    assert warn_when_nearly_full(cast.studio.id)
    assert not warn_when_nearly_full(cast.studio.id), "once is enough"
    with studio_scope(cast.studio.id):
        StudioStorage.objects.update(warned_at=timezone.now() - timedelta(days=8))
        assert Entry.objects.filter(action="quota.warned").count() == 1
        (use,) = (item for item in limit_usages() if item.limit is Limit.STORAGE_BYTES)
    assert use.state == "near"
    assert warn_when_nearly_full(cast.studio.id)
    assert mail.outbox == [] or "nearly used" in mail.outbox[0].subject


def test_every_limit_is_asked_for_where_something_is_added() -> None:
    """A limit that operators can set and nothing asks for would be a promise to nobody."""
    product = Path(quotas.__file__).parent.parent
    asked = re.compile(r"(?:require_quota|\.most)\(\s*Limit\.([A-Z_]+)")
    pretending = {product / "studios" / "quotas.py", product / "recordings" / "usage.py"}
    found = {
        name
        for path in product.rglob("*.py")
        if path not in pretending
        for name in asked.findall(path.read_text(encoding="utf-8"))
    }
    without = {Limit.ANALYSES_PER_MONTH.name} if not (product / "analysis").exists() else set()
    assert found == {limit.name for limit in Limit} - without


def test_a_months_limit_says_to_wait_for_the_next(cast: Cast) -> None:
    planned(cast, analyses_per_month=5)
    with studio_scope(cast.studio.id):
        require_quota(Limit.ANALYSES_PER_MONTH, lambda: 4)
        with pytest.raises(QuotaReached, match=r"5 analyses a month, and 5 are used.*first of the month"):
            require_quota(Limit.ANALYSES_PER_MONTH, lambda: 5)
        assert Limit.ANALYSES_PER_MONTH not in {use.limit for use in limit_usages()}


def test_a_bucket_gives_a_minutes_worth_and_refills_evenly(cast: Cast) -> None:
    name, now_s = str(cast.studio.id), 1_000_000.0
    assert [throttling.take_token(name, per_minute=60, now_s=now_s) for _ in range(60)] == [0.0] * 60
    assert throttling.take_token(name, per_minute=60, now_s=now_s) == pytest.approx(1.0)
    assert throttling.take_token(name, per_minute=60, now_s=now_s + 1) == 0.0
    assert throttling.take_token(name, per_minute=60, now_s=now_s + 1) > 0
    assert throttling.take_token(f"{name}-other", per_minute=60, now_s=now_s) == 0.0


def test_a_bucket_may_give_less_at_once_than_a_minutes_worth(cast: Cast) -> None:
    name, now_s = str(cast.studio.id), 1_000_000.0
    taken = [throttling.take_token(name, per_minute=60, burst=5, now_s=now_s) for _ in range(6)]
    assert taken[:5] == [0.0] * 5
    assert taken[5] > 0
    later = [throttling.take_token(name, per_minute=60, burst=5, now_s=now_s + 60) for _ in range(6)]
    assert [wait_s > 0 for wait_s in later] == [False] * 5 + [True]


def test_an_agent_that_calls_too_often_is_told_when_to_come_back(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(cast, api_per_minute=3)
    for _ in range(3):
        throttling.throttle_caller(cast.studio.id, "api")
    with pytest.raises(TooManyRequests) as caught:
        throttling.throttle_caller(cast.studio.id, "api")
    assert 1 <= caught.value.retry_after_s <= 20
    assert "3 requests a minute" in caught.value.detail
    throttling.throttle_caller(cast.studio.id, "agent:x", minimum=throttling.MIN_FOR_AN_AGENT)


def test_without_a_plan_an_agent_has_a_rate_all_the_same(cast: Cast) -> None:
    for _ in range(3):
        throttling.throttle_caller(cast.studio.id, "agent:x", default=3)
    with pytest.raises(TooManyRequests, match="more than 3 requests a minute"):
        throttling.throttle_caller(cast.studio.id, "agent:x", default=3)
    throttling.throttle_caller(cast.studio.id, "agent:y", default=600, burst=1)
    with pytest.raises(TooManyRequests, match="more than 600 requests a minute"):
        throttling.throttle_caller(cast.studio.id, "agent:y", default=600, burst=1)
    for _ in range(10):
        throttling.throttle_caller(cast.studio.id, "api")


def test_a_boxs_calls_carry_retry_after(cast: Cast, monkeypatch: pytest.MonkeyPatch, client: Any) -> None:
    scene = make_scene(cast)
    planned(cast, api_per_minute=1)
    monkeypatch.setattr("control_plane.fleet.agent_views.MIN_FOR_AN_AGENT", 2)
    scene.agent_client.answer  # noqa: B018  # paired
    answers = [
        client.get("/agent/v1/config", headers={"Authorization": scene.agent_client.authorization()})
        for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2]["Retry-After"]) >= 1
