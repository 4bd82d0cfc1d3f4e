"""Access that the revocation benchmark takes away: for each kind some viewers of a class, and the act that ends it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.cookies import SimpleCookie

from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from control_plane.access import services as access_services
from control_plane.accounts.models import User
from control_plane.administration import services as administration_services
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.fleet import installation
from control_plane.fleet import services as fleet
from control_plane.fleet.desired import publish_config
from control_plane.fleet.models import Agent
from control_plane.recordings.permissions import REPLAY, VIEW_CLASS
from control_plane.tenancy.models import Membership
from control_plane.tenancy.permissions import VIEW_STUDIO
from shared.protocol.codec import encode
from shared.protocol.ids import AgentId, StudioId
from shared.protocol.messages import Hello
from shared.protocol.pairing import PairAnswer
from shared.protocol.status import ConfigStatus, Reported
from tests.bench.stage import Playable, Stage, cookie_of, make_class, make_stage, make_viewers, new_agent
from tests.control_plane.agent_client import AgentClient


@dataclass(frozen=True)
class Case:
    """One viewer, what they ask for, and the act after which they get nothing of it."""

    cookie: str
    paths: list[str]
    revoke: Callable[[], None]


def prepare(times: int) -> dict[str, list[Case]]:
    """Returns `times` cases of each kind."""
    try:
        stage = make_stage("revoked")
        playable = make_class(stage, length_s=60, stored_s=12, bytes_per_s=100_000)
        paths = _paths(playable)
        kinds: dict[str, list[Case]] = {}

        def cases(
            kind: str, role: Role, revoke: Callable[[Stage, Playable, User], None], *, before: object = None
        ) -> None:
            kinds[kind] = []
            for user in make_viewers(stage, times, role):
                if callable(before):
                    before(stage, playable, user)
                kinds[kind].append(Case(cookie_of(user), paths, partial(revoke, stage, playable, user)))

        cases("role", Role.VIEWER, _lower)
        cases("membership", Role.VIEWER, _remove)
        cases("right on this class", Role.PARTNER, _take, before=_give)
        cases("denial of this class", Role.VIEWER, _deny)
        cases("account", Role.VIEWER, _deactivate)
        kinds["session"] = []
        for user in make_viewers(stage, times):
            cookie = cookie_of(user)
            kinds["session"].append(Case(cookie, paths, partial(_sign_out, cookie)))
        kinds["break-glass"] = [_glass(stage, paths) for _ in range(times)]
        kinds["role, admin site"] = []
        for user in make_viewers(stage, times, Role.ADMIN):
            User.objects.filter(pk=user.pk).update(is_staff=True)
            row = f"/admin/recordings/classsession/{playable.session.id}/change/"
            asked = ["/admin/recordings/classsession/", row]
            kinds["role, admin site"].append(
                Case(cookie_of(user), asked, partial(_lower, stage, playable, user))
            )
        return kinds
    finally:
        connections.close_all()


def _paths(playable: Playable) -> list[str]:
    folder = playable.folder
    track, ((segment, _), *_) = next(iter(playable.segments.items()))
    return [
        f"{folder}/",
        f"{folder}/progress/",
        f"{folder}/check",
        f"{folder}/timeline.json",
        f"{folder}/tracks/{track}/playlist.m3u8",
        f"{folder}/tracks/{track}/init/{segment}.mp4",
        f"{folder}/segments/{segment}/key",
        f"{folder}/segments/{segment}/bytes.m4s",
    ]


def _membership(stage: Stage, user: User) -> Membership:
    found: Membership = Membership.objects.get(user=user)
    return found


def _lower(stage: Stage, playable: Playable, user: User) -> None:
    with studio_scope(stage.studio.id):
        administration_services.change_role(_membership(stage, user), Role.PARTNER, actor=stage.alice.actor)


def _remove(stage: Stage, playable: Playable, user: User) -> None:
    with studio_scope(stage.studio.id):
        administration_services.remove_member(_membership(stage, user), actor=stage.alice.actor)


def _give(stage: Stage, playable: Playable, user: User) -> None:
    with studio_scope(stage.studio.id):
        access_services.grant_permission(user, REPLAY, playable.session, actor=stage.alice.actor)


def _take(stage: Stage, playable: Playable, user: User) -> None:
    with studio_scope(stage.studio.id):
        for action in (REPLAY, VIEW_CLASS):
            access_services.end_grant(user, action, playable.session, actor=stage.alice.actor)


def _deny(stage: Stage, playable: Playable, user: User) -> None:
    with studio_scope(stage.studio.id):
        for action in (REPLAY, VIEW_CLASS):
            access_services.deny_permission(user, action, playable.session, actor=stage.alice.actor)


def _deactivate(stage: Stage, playable: Playable, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _sign_out(cookie: str) -> None:
    SessionStore(SimpleCookie(cookie)[settings.SESSION_COOKIE_NAME].value).delete()


def _glass(stage: Stage, paths: list[str]) -> Case:
    (operator,) = make_viewers(stage, 1)
    with studio_scope(stage.studio.id):
        administration_services.remove_member(_membership(stage, operator), actor=stage.alice.actor)
    User.objects.filter(pk=operator.pk).update(is_operator=True)
    operator.refresh_from_db()
    Authenticator.objects.create(user=operator, type=Authenticator.Type.TOTP, data={"secret": ""})
    actions = {VIEW_STUDIO, VIEW_CLASS, REPLAY}
    glass = access_services.open_break_glass(
        stage.studio, operator, actions, "a benchmark of revocation", 1, actor=operator.actor
    )

    def close() -> None:
        access_services.close_break_glass(glass, actor=stage.alice.actor)

    return Case(cookie_of(operator), paths, close)


async def agents(address: str, times: int) -> dict[str, list[tuple[float, float]]]:
    """Returns for revoked agents the ms until the socket is closed, and until calls are refused."""
    stage, agent_clients = await asyncio.to_thread(_agent_clients, address, times)
    sockets, calls = [], []
    for agent_client in agent_clients:
        headers = {"Authorization": agent_client.authorization()}
        url = f"{address.replace('http', 'ws')}/agent/v1/link"
        async with connect(url, additional_headers=headers, compression=None) as socket:
            reported = Reported(version=0, hash=None, status=ConfigStatus.APPLIED)
            await socket.send(encode(Hello(protocol=1, agent_version="bench", reported=reported)).decode())
            await socket.recv()
            await socket.recv()
            committed_s = await asyncio.to_thread(_revoke, stage, agent_client)
            status = (await asyncio.to_thread(agent_client.call, "GET", "config")).status_code
            assert status == 401, status
            calls.append((0.0, (time.perf_counter() - committed_s) * 1000))
            try:
                async with asyncio.timeout(10):
                    while True:
                        await socket.recv()
            except ConnectionClosed:
                sockets.append((0.0, (time.perf_counter() - committed_s) * 1000))
    return {"agent, socket": sockets, "agent, calls": calls}


def _agent_clients(address: str, number: int) -> tuple[Stage, list[AgentClient]]:
    try:
        stage, agent_clients = make_stage("agents"), []
        for index in range(number):
            key = Ed25519PrivateKey.generate()
            with studio_scope(stage.studio.id):
                public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
                agent = new_agent(stage.studio, f"agent {index}", public)
                agent.save(force_insert=True)
                publish_config(agent)
            agent_client = AgentClient(address)
            agent_client.identity = key
            agent_client.answer = PairAnswer(
                agent_id=AgentId(agent.id),
                studio_id=StudioId(stage.studio.id),
                studio_name="",
                audience=installation.audience(),
                revocation_key=installation.revocation_public_key(),
                server_time_at=agent.created_at,
            )
            agent_clients.append(agent_client)
        return stage, agent_clients
    finally:
        connections.close_all()


def _revoke(stage: Stage, agent_client: AgentClient) -> float:
    try:
        with studio_scope(stage.studio.id):
            agent = Agent.objects.get(pk=agent_client.agent_id)
            fleet.revoke_agent(agent, reason="bench", actor=stage.alice.actor)
        return time.perf_counter()
    finally:
        connections.close_all()
