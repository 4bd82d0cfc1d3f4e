"""Celery's settings."""

from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings


class CelerySettings:
    """Acknowledge late, store no results: a job's state is its row, and beat starts jobs again that lost their worker."""

    broker_url = settings.CELERY_BROKER_URL
    broker_connection_retry_on_startup = True
    task_acks_late = True
    task_reject_on_worker_lost = True
    task_ignore_result = True
    task_serializer = "json"
    accept_content: ClassVar = ["json"]
    worker_prefetch_multiplier = 1
    worker_hijack_root_logger = False
    timezone = "UTC"
    broker_transport_options: ClassVar = {"visibility_timeout": int(timedelta(hours=1).total_seconds())}
    beat_schedule: ClassVar[dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    beat_scheduler = "control_plane.config.celery:Scheduler"
    beat_max_loop_interval = 10
    """Beat reports to the watchdog at each turn of its loop."""
    beat_schedule_filename = str(settings.STATE_DIR / "run" / "celerybeat-schedule")
