"""The form of a share link. It only parses; the service validates."""

import re
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy

from control_plane.common.errors import BadRequest
from control_plane.sharing.links import LinkFacts

_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,3}):(\d{2}(?:\.\d{1,3})?)")


class LinkForm(forms.Form):
    """Fields of a new link; all are optional but the days."""

    title = forms.CharField(
        label=gettext_lazy("Title"),
        required=False,
        max_length=120,
        help_text=gettext_lazy("Everybody with the link sees it. Empty: the title of the class."),
    )
    starts = forms.CharField(
        label=gettext_lazy("From"), required=False, max_length=12, help_text=gettext_lazy("Such as 12:30.")
    )
    ends = forms.CharField(
        label=gettext_lazy("To"), required=False, max_length=12, help_text=gettext_lazy("Such as 14:05.")
    )
    days = forms.IntegerField(
        label=gettext_lazy("Days until it ends"),
        initial=7,
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 1}),
    )
    max_views = forms.IntegerField(
        label=gettext_lazy("How often it can be opened"),
        required=False,
        help_text=gettext_lazy("Empty: any number of times."),
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 1}),
    )
    with_pin = forms.BooleanField(label=gettext_lazy("With a PIN"), required=False, initial=True)

    def facts(self, track_ids: list[str]) -> LinkFacts:
        """Returns the entered values.

        Raises:
            BadRequest: a time or a camera cannot be read.
        """
        given = self.cleaned_data
        try:
            cameras = [UUID(text) for text in track_ids]
        except ValueError as error:
            raise BadRequest("A tick names no camera. Load the page again.") from error
        return LinkFacts(
            title=given["title"],
            track_ids=cameras,
            from_s=_seconds(given["starts"]),
            to_s=_seconds(given["ends"]),
            days=given["days"],
            max_views=given["max_views"],
            with_pin=given["with_pin"],
        )


def _seconds(text: str) -> float | None:
    if not text.strip():
        return None
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise BadRequest("Write times as minutes and seconds, such as 12:30.")
    hours, minutes, seconds = found.groups()
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
