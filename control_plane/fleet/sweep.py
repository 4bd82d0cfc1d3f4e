"""What is done for every agent once a minute; idempotent, so that two sweeps at once do no harm."""

from django.db.models import Q
from django.utils import timezone

from control_plane.fleet.announce import Topic, announce_on_commit
from control_plane.fleet.desired import publish_config
from control_plane.fleet.models import SILENT_AFTER, Agent, AgentState
from control_plane.fleet.selectors import is_acknowledged


def sweep_studio() -> int:
    """Works through the agents of the studio in scope; returns how many were announced again.

    A configuration is published again where the tables say something else by now (the studio's key was changed, say),
    and announced again while the box has not acknowledged it. An agent that is silent is not linked, whatever its
    socket says: a cable that was pulled closes nothing.
    """
    silent = Q(last_seen_at=None) | Q(last_seen_at__lt=timezone.now() - SILENT_AFTER)
    Agent.objects.filter(silent, link_id__isnull=False, linked_at__lt=timezone.now() - SILENT_AFTER).update(
        link_id=None
    )
    announced = 0
    trusted = Agent.objects.exclude(state=AgentState.REVOKED).select_related("reported").order_by("id")
    for agent in trusted:
        desired = publish_config(agent)
        reported = getattr(agent, "reported", None)
        failed = reported is not None and reported.failed_version == desired.version
        agent.desired = desired
        if not failed and not is_acknowledged(agent):
            announce_on_commit(agent.id, Topic.CONFIG)
            announced += 1
    return announced
