"""Forms of retention. A form only parses; the services validate."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy

from control_plane.recordings.class_type_models import ClassType
from control_plane.retention.models import HoldKind, Preset
from control_plane.tenancy.models import Room

MAX_DAYS = 3650


def _days(label: Any, help_text: Any, *, required: bool) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        help_text=help_text,
        required=required,
        min_value=1,
        max_value=MAX_DAYS,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )


class PolicyForm(forms.Form):
    """How long recordings are kept unless a rule says otherwise."""

    preset = forms.ChoiceField(label=gettext_lazy("Region"), choices=Preset.choices)
    minors_days = _days(
        gettext_lazy("Days with minors"),
        gettext_lazy("For classes in which a minor appears, or whose roster is not confirmed."),
        required=True,
    )
    adults_days = _days(
        gettext_lazy("Days with adults only"), gettext_lazy("Empty: without end."), required=False
    )


class RuleForm(forms.Form):
    """An exception for a room, a class type, or for classes of adults."""

    room = forms.ModelChoiceField(
        label=gettext_lazy("Room"),
        queryset=Room.objects.none(),
        required=False,
        empty_label=gettext_lazy("All rooms"),
    )
    class_type = forms.ModelChoiceField(
        label=gettext_lazy("Class type"),
        queryset=ClassType.objects.none(),
        required=False,
        empty_label=gettext_lazy("All class types"),
    )
    days = _days(gettext_lazy("Days"), gettext_lazy("Empty: without end, for adults only."), required=False)
    adults_only = forms.BooleanField(label=gettext_lazy("Only for classes of adults"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["room"].queryset = Room.objects.order_by("name")  # type: ignore[attr-defined]
        running = ClassType.objects.filter(ended_at=None)
        self.fields["class_type"].queryset = running  # type: ignore[attr-defined]


class HoldForm(forms.Form):
    """Keeps one class from deletion by date."""

    kind = forms.ChoiceField(label=gettext_lazy("Why"), choices=HoldKind.choices, initial=HoldKind.MANUAL)
    until = forms.DateField(
        label=gettext_lazy("Keep until"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("To the end of this day. A legal hold may have no end."),
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason (no names)"), max_length=300, widget=forms.Textarea(attrs={"rows": 2})
    )

    def ends_at(self, zone: ZoneInfo) -> datetime | None:
        """Returns the end of the chosen day in the studio's zone; None: no end."""
        until = self.cleaned_data["until"]
        return datetime.combine(until + timedelta(days=1), time(), zone) if until else None
