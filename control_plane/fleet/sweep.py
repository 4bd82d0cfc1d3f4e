"""What is done for every agent once a minute; idempotent, so that two sweeps at once do no harm."""

from django.db.models import Q
from django.utils import timezone

from control_plane.fleet.announcements import Topic, announce_on_commit
from control_plane.fleet.desired import publish_config
from control_plane.fleet.models import OFFLINE_AFTER, Agent, AgentState
from control_plane.fleet.selectors import is_acknowledged

TURNS = 60
"""In so many minutes, an hour, the sweep compares every agent's configuration, also an acknowledged one."""


def sweep_studio() -> int:
    """Works through agents of the studio in scope; returns how many were announced again.

    A configuration is announced again while the agent has not acknowledged it. One that was acknowledged is compared
    with the tables each hour: each edit publishes in its own transaction, so that this finds only what follows from
    other tables, such as the studio's time zone. Each sweep takes the agents of this minute and of the one before, so
    nearly all are compared twice: sweeps start a little more than a minute apart, so that some minutes have none. Only
    where two minutes in a row have none do the agents of the first of them wait for the next hour. An agent that is
    silent is not linked, whatever its socket says: a cable that was pulled closes nothing.
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
