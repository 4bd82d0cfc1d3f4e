"""Worker and beat: Celery over Valkey. Messages only start jobs; the state of a job is in the database."""

import logging
import os
from typing import Any

from celery import Celery
from celery.beat import PersistentScheduler
from celery.signals import beat_init, heartbeat_sent, setup_logging, worker_init, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")

from control_plane.config.celery_settings import CelerySettings
from shared.kernel.logs import FailureLog
from shared.kernel.service import ALIVE, READY, ServiceManager

log = logging.getLogger(__name__)

app = Celery("threedance", task_cls="control_plane.common.tasks:ThreedanceTask")
app.config_from_object(CelerySettings)
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logs(**kwargs: Any) -> None:
    """Keeps the logs as `config.apps` configured them, and silences Celery's line per task, because sweeps run all day."""
    for chatty in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


@worker_init.connect
@beat_init.connect
def refuse_unsafe_start(**kwargs: Any) -> None:
    """Stops a worker whose deployment fails a check.

    Raises:
        SystemCheckError: names every failed check.
    """
    from control_plane.config import checks  # the apps are loaded only now

    checks.refuse_unsafe_start()


@worker_ready.connect
@beat_init.connect
def report_ready(**kwargs: Any) -> None:
    """Reports to the service manager that a worker or beat has started."""
    ServiceManager.of_this_process().tell(READY)


@heartbeat_sent.connect
def report_alive(**kwargs: Any) -> None:
    """Reports to the service manager that the worker's main loop runs; its children may be busy with long tasks.

    The loop sends heartbeats every two seconds while it is connected to its broker.
    """
    ServiceManager.of_this_process().tell(ALIVE)


class Scheduler(PersistentScheduler):
    """Beat's schedule in a file; reports to the service manager at each turn.

    A full disk stops nothing: only the time of each task's last run is lost.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._failures = FailureLog(log, "the schedule cannot be written")
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Sends due tasks; returns the seconds to sleep."""
        ServiceManager.of_this_process().tell(ALIVE)
        wait_s: float = super().tick(*args, **kwargs)
        return wait_s

    def sync(self) -> None:
        """Writes the schedule to its file."""
        try:
            super().sync()
        except OSError as error:
            self._failures.failed(error=str(error))
        else:
            self._failures.recovered()
