"""Forms of the pages of consents. A form only parses; the services validate."""

from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from control_plane.people.consent_models import ConsentAnswer, ConsentPurpose
from control_plane.people.consent_notices import LONGEST_TEXT


class AskForm(forms.Form):
    """The dancers to ask about, the purposes and the notice."""

    notice = forms.UUIDField()
    purpose = forms.MultipleChoiceField(choices=ConsentPurpose.choices)

    def clean(self) -> None:
        """Checks that dancers are chosen.

        Raises:
            ValidationError: none are, or a value is no id.
        """
        super().clean()
        try:
            self.dancer_ids()
        except ValueError as error:
            raise ValidationError(_("Choose dancers.")) from error

    def dancer_ids(self) -> list[UUID]:
        """Returns the chosen dancers."""
        return [UUID(value) for value in self.data.getlist("dancer")]  # type: ignore[attr-defined]


class PaperForm(forms.Form):
    """Answers on a signed paper."""

    answer = forms.ChoiceField(
        label=gettext_lazy("The paper says"),
        choices=[
            (ConsentAnswer.GRANTED.value, gettext_lazy("Allowed")),
            (ConsentAnswer.REFUSED.value, gettext_lazy("Not allowed")),
            (ConsentAnswer.WITHDRAWN.value, gettext_lazy("No longer allowed")),
        ],
    )
    purpose = forms.MultipleChoiceField(
        label=gettext_lazy("Purposes"),
        choices=ConsentPurpose.choices,
        widget=forms.CheckboxSelectMultiple,
    )
    signed_by = forms.CharField(
        label=gettext_lazy("Signed by"),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("The name on the paper."),
    )
    signed_on = forms.DateField(
        label=gettext_lazy("Signed on"),
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        help_text=gettext_lazy("A consent counts from this day; a refusal counts from now."),
    )


class NoticeForm(forms.Form):
    """The text of a notice."""

    title = forms.CharField(label=gettext_lazy("Title"), max_length=120)
    text = forms.CharField(
        label=gettext_lazy("Text"),
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 14}),
        help_text=gettext_lazy("Plain text. An empty line begins a paragraph."),
    )
    purposes = forms.MultipleChoiceField(
        label=gettext_lazy("Purposes"),
        choices=ConsentPurpose.choices,
        widget=forms.CheckboxSelectMultiple,
    )
