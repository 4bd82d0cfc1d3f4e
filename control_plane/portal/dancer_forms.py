"""What the pages of dancers ask for. The services check what is given; a form only parses it."""

from typing import Any

from django import forms

from control_plane.people.dancer_list import LARGEST_BYTES
from control_plane.people.models import Relation
from control_plane.portal.person_field import MemberField


class DancerForm(forms.Form):
    """What is kept of a dancer."""

    name = forms.CharField(
        max_length=120, help_text="As your teachers know them. Other families never see it."
    )
    birth_year = forms.IntegerField(
        label="Year of birth",
        required=False,
        min_value=1900,
        help_text="Only the year is kept. Left empty, the dancer counts as a minor.",
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    protected = forms.BooleanField(
        label="Protected",
        required=False,
        help_text="For a child whose whereabouts must not be known, say after a court order. Nothing that shows this "
        "dancer can be shared or exported, and no other family is shown that they dance here.",
    )
    note = forms.CharField(
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For staff only.",
    )


class GuardianForm(forms.Form):
    """Who answers for a dancer."""

    person = MemberField(label="E-mail address")
    relation = forms.ChoiceField(choices=Relation.choices, initial=Relation.PARENT)


class ListForm(forms.Form):
    """A file with a list of dancers."""

    file = forms.FileField(
        label="CSV file",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        help_text="At most 2,000 lines and 256 kB.",
    )

    def content(self) -> bytes:
        """Returns what is in the file, with one byte more than may be taken where it is too long."""
        file: Any = self.cleaned_data["file"]
        data: bytes = file.read(LARGEST_BYTES + 1)
        return data
