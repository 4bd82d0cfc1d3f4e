"""Forms of requests about data. A form only parses; the services validate."""

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy

from control_plane.data_requests.erasure import ErasureReport
from control_plane.data_requests.models import CLOSED, RequestKind, RequestState


class OpenForm(forms.Form):
    """A request that arrived."""

    kind = forms.ChoiceField(label=gettext_lazy("What was asked for"), choices=RequestKind.choices)
    requester = forms.CharField(label=gettext_lazy("Who asked"), max_length=120)
    received_on = forms.DateField(
        label=gettext_lazy("Received on"),
        initial=timezone.localdate,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("The answer is due one month later."),
    )
    note = forms.CharField(
        label=gettext_lazy("Note"), max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )


class CloseForm(forms.Form):
    """The answer to a request."""

    state = forms.ChoiceField(
        label=gettext_lazy("Close as"), choices=[(item.value, item.label) for item in CLOSED]
    )
    answer = forms.CharField(
        label=gettext_lazy("Answer"),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("What was done, or why not."),
    )

    def __init__(self, *args: object, kind: str, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if kind == RequestKind.ERASURE:
            choices = [(item.value, item.label) for item in CLOSED if item is not RequestState.DONE]
            self.fields["state"].choices = choices  # type: ignore[attr-defined]


class EraseForm(forms.Form):
    """Confirms an erasure."""

    destroy = forms.MultipleChoiceField(
        label=gettext_lazy("Recordings to destroy"), required=False, widget=forms.CheckboxSelectMultiple
    )
    requester = forms.CharField(label=gettext_lazy("Who asked"), max_length=120, required=False)
    reason = forms.CharField(
        label=gettext_lazy("Reason (for the audit log; no names)"),
        max_length=300,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    confirmation = forms.CharField(
        label=gettext_lazy("Type the name of the dancer to confirm"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: object, report: ErasureReport, asked_by: str, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        there = [item for item in report.classes if not item.is_destroyed]
        field = self.fields["destroy"]
        field.choices = [(str(item.class_session.id), item.class_session.title) for item in there]  # type: ignore[attr-defined]
        if asked_by:
            del self.fields["requester"]
        if not there:
            del self.fields["destroy"]
