"""The form of a clip. It only parses; the service validates."""

from uuid import UUID

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from control_plane.clips.models import LONGEST_DAYS
from control_plane.clips.services import ClipFacts
from control_plane.common.errors import BadRequest
from control_plane.portal.clock_times import seconds


class ClipForm(forms.Form):
    """Fields of a new clip."""

    starts = forms.CharField(
        label=gettext_lazy("From"), max_length=12, help_text=gettext_lazy("Such as 12:30.")
    )
    ends = forms.CharField(label=gettext_lazy("To"), max_length=12, help_text=gettext_lazy("Such as 14:05."))
    title = forms.CharField(
        label=gettext_lazy("Title"),
        required=False,
        max_length=120,
        help_text=gettext_lazy("Empty: the title of the class."),
    )
    days = forms.IntegerField(
        label=gettext_lazy("Days to keep it"),
        initial=30,
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 1, "max": LONGEST_DAYS}),
        help_text=gettext_lazy("It is deleted then, even if the class is kept longer."),
    )

    def facts(self, track_ids: list[str], dancer_ids: list[str] | None) -> ClipFacts:
        """Returns the entered values.

        Args:
            dancer_ids: None: everyone in the class.

        Raises:
            BadRequest: a time, a camera or a dancer cannot be read.
        """
        given = self.cleaned_data
        starts, ends = seconds(given["starts"]), seconds(given["ends"])
        if starts is None or ends is None:
            raise BadRequest(_("Enter where the clip begins and ends."))
        try:
            cameras = [UUID(text) for text in track_ids]
            dancers = None if dancer_ids is None else [UUID(text) for text in dancer_ids]
        except ValueError as error:
            raise BadRequest(_("A tick names no camera or dancer. Load the page again.")) from error
        return ClipFacts(starts, ends, given["title"], cameras, dancers, given["days"])
