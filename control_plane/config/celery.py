"""The worker and the clock: Celery over Valkey. It only carries kicks; what is to be done stands in the database."""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")

from control_plane.config.celery_settings import CelerySettings

app = Celery("threedance", task_cls="control_plane.common.tasks:ThreedanceTask")
app.config_from_object(CelerySettings)
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logs(**kwargs: Any) -> None:
    """Leaves the logs as `config.apps` set them up, without a line for each task: a sweep runs all day."""
    for chatty in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


@worker_init.connect
@beat_init.connect
def refuse_unsafe_start(**kwargs: Any) -> None:
    """Stops a worker whose deployment breaks a rule.

    Raises:
        SystemCheckError: with every rule broken.
    """
    from control_plane.config import checks  # the apps are loaded only now

    checks.refuse_unsafe_start()
