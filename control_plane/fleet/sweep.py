"""Maintenance of every agent, once a minute; idempotent, so that concurrent sweeps do no harm."""

from django.db.models import Q
from django.utils import timezone

from control_plane.fleet.announcements import Topic, announce_on_commit
from control_plane.fleet.desired import publish_config
from control_plane.fleet.models import OFFLINE_AFTER, Agent, AgentState
from control_plane.fleet.selectors import is_acknowledged

TURNS = 60
"""Minutes in which the sweep compares the configuration of every agent once, even if it is acknowledged."""


def sweep_studio() -> int:
    """Announces unacknowledged configurations of the studio in scope again; returns how many.

    An acknowledged configuration is compared with the tables once an hour. Each edit publishes in its own transaction, so
    this finds only changes of other tables, such as the studio's time zone. Each sweep handles the agents of the current and
    the previous minute, so nearly all are compared twice: sweeps start a little more than a minute apart, and some minutes
    have none. Only if two consecutive minutes have none, the agents of the first one wait for the next hour.

    An agent without recent reports is marked as not linked, even if its socket is open: a pulled cable closes no socket.
    """
    now = timezone.now()
    silent = Q(last_seen_at=None) | Q(last_seen_at__lt=now - OFFLINE_AFTER)
    Agent.objects.filter(silent, link_id__isnull=False, linked_at__lt=now - OFFLINE_AFTER).update(
        link_id=None
    )
    announced = 0
    trusted = (
        Agent.objects.exclude(state=AgentState.REVOKED).select_related("desired", "reported").order_by("id")
    )
    minute = int(now.timestamp() // 60)
    turns = {minute % TURNS, (minute - 1) % TURNS}
    for agent in trusted:
        if hasattr(agent, "desired") and is_acknowledged(agent) and agent.id.int % TURNS not in turns:
            continue
        desired = publish_config(agent)
        reported = getattr(agent, "reported", None)
        failed = reported is not None and reported.failed_version == desired.version
        agent.desired = desired
        if not failed and not is_acknowledged(agent):
            announce_on_commit(agent.id, Topic.CONFIG)
            announced += 1
    return announced
