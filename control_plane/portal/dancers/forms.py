"""Forms of the pages of dancers. A form only parses; the services validate."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from control_plane.people.dancer_list import LARGEST_BYTES
from control_plane.people.models import Relation
from control_plane.portal.people.fields import MemberField


class DancerForm(forms.Form):
    """Fields of a dancer."""

    name = forms.CharField(
        max_length=120, help_text=gettext_lazy("The name that teachers use. Other families never see it.")
    )
    birth_date = forms.DateField(
        label=gettext_lazy("Date of birth"),
        required=False,
        help_text=gettext_lazy("Optional: the dancer answers for themselves from the day they come of age."),
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "autocomplete": "off"}),
    )
    birth_year = forms.IntegerField(
        label=gettext_lazy("Year of birth"),
        required=False,
        min_value=1900,
        help_text=gettext_lazy(
            "Enough if you do not need the date. Without either, the dancer counts as a minor."
        ),
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    protected = forms.BooleanField(
        label=gettext_lazy("Protected"),
        required=False,
        help_text=gettext_lazy(
            "For a child whose whereabouts must stay secret, e.g. by court order. Recordings "
            "of this dancer cannot be shared or exported, and other families do not see that "
            "the dancer attends."
        ),
    )
    note = forms.CharField(
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("For staff only."),
    )


class GuardianForm(forms.Form):
    """Fields of a guardian."""

    person = MemberField(label=gettext_lazy("E-mail address"))
    relation = forms.ChoiceField(choices=Relation.choices, initial=Relation.PARENT)


class GuardianInvitationForm(forms.Form):
    """Fields of an invitation of a guardian."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        help_text=gettext_lazy("Of somebody who is no member yet."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    relation = forms.ChoiceField(
        label=gettext_lazy("Relation"), choices=Relation.choices, initial=Relation.PARENT
    )


class ListTextForm(forms.Form):
    """The list of dancers that a person has previewed."""

    text = forms.CharField(max_length=LARGEST_BYTES, strip=False)


class ListForm(forms.Form):
    """A file with a list of dancers."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        help_text=gettext_lazy("At most 2,000 lines and 256 kB."),
    )

    def content(self) -> bytes:
        """Returns the file's content, cut one byte past the limit so that the service can refuse it."""
        file: Any = self.cleaned_data["file"]
        data: bytes = file.read(LARGEST_BYTES + 1)
        return data
