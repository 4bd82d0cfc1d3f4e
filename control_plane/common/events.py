"""Typed events between apps: a lower app publishes, apps above it subscribe in `AppConfig.ready()`. Pure.

Handlers run at once, in the publisher's transaction and scope, in the order of subscription (that of the registry).
An exception of a handler reaches the publisher and rolls both back. No handler is looked up by name, so type
checkers, editors and grep follow each one.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Generic, Self, TypeVar

T = TypeVar("T")


class Event:
    """Base of events: subclass it as a frozen dataclass in the `events.py` of the app that publishes it."""

    _handlers: ClassVar[list[Callable[[Any], object]]]

    def __init_subclass__(cls) -> None:
        cls._handlers = []

    @classmethod
    def subscribe(cls, handler: Callable[[Self], object]) -> None:
        """Calls `handler` with each event of this class that is published from now on."""
        cls._handlers.append(handler)

    def publish(self) -> None:
        """Calls every subscriber, in the order of subscription.

        Raises:
            Exception: whatever a subscriber raises; the subscribers after it are not called.
        """
        for handler in self._handlers:
            handler(self)


class Question(Generic[T]):
    """Base of questions that a lower app asks the apps above it; declared like an event."""

    _handlers: ClassVar[list[Callable[[Any], Any]]]

    def __init_subclass__(cls) -> None:
        cls._handlers = []

    @classmethod
    def answer_with(cls, handler: Callable[[Self], T]) -> None:
        """Asks `handler` each question of this class from now on."""
        cls._handlers.append(handler)

    def answers(self) -> list[T]:
        """Returns the answer of each subscriber, in the order of subscription; empty without subscribers.

        Raises:
            Exception: whatever a subscriber raises.
        """
        return [handler(self) for handler in self._handlers]
