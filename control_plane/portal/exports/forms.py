"""The form of an export. It only parses; the service validates."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from control_plane.exports.services import ExportFacts
from control_plane.portal.clock_times import camera_ids, seconds


class ExportForm(forms.Form):
    """Fields of an export; all are optional."""

    starts = forms.CharField(
        label=gettext_lazy("From"), required=False, max_length=12, help_text=gettext_lazy("Such as 12:30.")
    )
    ends = forms.CharField(
        label=gettext_lazy("To"), required=False, max_length=12, help_text=gettext_lazy("Such as 14:05.")
    )
    side_by_side = forms.BooleanField(
        label=gettext_lazy("One more file with all cameras side by side"), required=False
    )
    burn_in_time = forms.BooleanField(label=gettext_lazy("With the time of day in it"), required=False)
    whole_fragments = forms.BooleanField(
        label=gettext_lazy("Copy only, encode nothing again (up to 2 s at each end may be missing)"),
        required=False,
    )
    with_roster = forms.BooleanField(label=gettext_lazy("With the names of the dancers"), required=False)

    def __init__(self, *args: Any, names_dancers: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not names_dancers:
            del self.fields["with_roster"]

    def facts(self, track_ids: list[str]) -> ExportFacts:
        """Returns the entered values.

        Raises:
            BadRequest: a time or a camera cannot be read.
        """
        given = self.cleaned_data
        return ExportFacts(
            track_ids=camera_ids(track_ids),
            from_s=seconds(given["starts"]),
            to_s=seconds(given["ends"]),
            whole_fragments=given["whole_fragments"],
            side_by_side=given["side_by_side"],
            burn_in_time=given["burn_in_time"],
            with_roster=given.get("with_roster", False),
        )
