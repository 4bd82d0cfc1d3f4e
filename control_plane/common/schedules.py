"""Declarations of periodic tasks, for the `periodic.py` of each app. Pure: settings load them before any model."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Every:
    """A task that runs every `seconds`. `task` is the dotted name of a Celery task."""

    LONGEST_S: ClassVar = 3600.0

    name: str
    task: str
    seconds: float

    def __post_init__(self) -> None:
        # Beat counts an interval from its own start: a restart delays the task by up to the whole interval.
        if not 0 < self.seconds <= self.LONGEST_S:
            raise ValueError(f"{self.name}: declare a task that runs less than hourly as Nightly")


@dataclass(frozen=True)
class Nightly:
    """A task that runs each night, at `minute` of the nightly hour; each task has a minute of its own."""

    name: str
    task: str
    minute: int
