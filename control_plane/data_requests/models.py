"""Table of requests about data: DataRequest."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy

from control_plane.common.models import STUDIO_ONLY, StudioOwned
from control_plane.common.states import Stateful, Transitions


class RequestKind(models.TextChoices):
    """Kinds of requests."""

    ACCESS = "access", gettext_lazy("Access: a copy of everything")
    CORRECTION = "correction", gettext_lazy("Correction")
    ERASURE = "erasure", gettext_lazy("Erasure")


class RequestState(models.TextChoices):
    """Progress of a request."""

    OPEN = "open", gettext_lazy("Open")
    DONE = "done", gettext_lazy("Done")
    REFUSED = "refused", gettext_lazy("Refused")
    WITHDRAWN = "withdrawn", gettext_lazy("Withdrawn")


CLOSED = (RequestState.DONE, RequestState.REFUSED, RequestState.WITHDRAWN)


class DataRequest(StudioOwned, Stateful):
    """One request about the data of one dancer, by the dancer or somebody who answers for them.

    `dancer_id` is not a foreign key: the request outlives an erased dancer. `requester` is the name of the person who
    asked. `answer` says what was done, or why not. `receipt` of an erasure holds ids and numbers only, no name.
    """

    view_permission = "answer_data_requests"
    access_path = STUDIO_ONLY
    transitions = Transitions(
        {
            RequestState.OPEN: CLOSED,
            RequestState.DONE: (),
            RequestState.REFUSED: (),
            RequestState.WITHDRAWN: (),
        }
    )

    kind = models.CharField(max_length=12, choices=RequestKind.choices, editable=False)
    dancer_id = models.UUIDField(editable=False)
    requester = models.CharField(max_length=120, editable=False)
    note = models.TextField(max_length=1000, blank=True, editable=False)
    received_on = models.DateField(editable=False)
    due_on = models.DateField(editable=False)
    state = models.CharField(
        max_length=12, choices=RequestState.choices, default=RequestState.OPEN, editable=False
    )
    closed_at = models.DateTimeField(null=True, editable=False)
    closed_by = models.UUIDField(null=True, editable=False)
    answer = models.TextField(max_length=1000, blank=True, editable=False)
    receipt = models.JSONField(null=True, editable=False)
    receipt_sha256 = models.CharField(max_length=64, blank=True, editable=False)

    class Meta(StudioOwned.Meta):
        verbose_name = "request about data"
        verbose_name_plural = "requests about data"
        ordering: ClassVar = ["-received_on", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["dancer_id", "kind"],
                condition=models.Q(state="open"),
                name="data_requests_one_open_of_a_kind",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=RequestKind.values), name="data_requests_known_kind"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=RequestState.values), name="data_requests_known_state"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["studio", "state", "due_on"], name="data_requests_due")]

    def __str__(self) -> str:
        return f"{self.kind} {self.received_on}"
