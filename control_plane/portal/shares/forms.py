"""The forms of a share link and of the rules. A form only parses; the service validates."""

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from control_plane.common.errors import BadRequest
from control_plane.portal.clock_times import camera_ids, seconds
from control_plane.sharing.links import LinkFacts
from control_plane.sharing.models import LONGEST_LINK_DAYS, MOST_GB_PER_DAY, PinRule
from control_plane.sharing.policies import read_network


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
        return LinkFacts(
            title=given["title"],
            track_ids=camera_ids(track_ids),
            from_s=seconds(given["starts"]),
            to_s=seconds(given["ends"]),
            days=given["days"],
            max_views=given["max_views"],
            with_pin=given["with_pin"],
        )


class RulesForm(forms.Form):
    """The studio's rules for footage that leaves it."""

    share_enabled = forms.BooleanField(
        label=gettext_lazy("Classes can be shared by link"),
        required=False,
        help_text=gettext_lazy("Off: no link plays."),
    )
    export_enabled = forms.BooleanField(label=gettext_lazy("Classes can be exported"), required=False)
    export_approval = forms.BooleanField(
        label=gettext_lazy("A second person approves each export"), required=False
    )
    longest_link_days = forms.IntegerField(
        label=gettext_lazy("Longest life of a link, in days"),
        min_value=1,
        max_value=LONGEST_LINK_DAYS,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        help_text=gettext_lazy("For new links. Links made earlier keep their end."),
    )
    pin_rule = forms.ChoiceField(
        label=gettext_lazy("A link needs a PIN"), choices=PinRule.choices, widget=forms.RadioSelect
    )
    networks = forms.CharField(
        label=gettext_lazy("Only to these networks"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocapitalize": "none"}),
        help_text=gettext_lazy(
            "One network per row, such as 203.0.113.0/24 or 2001:db8::/48. Empty: to any network. Phones on mobile data"
            " have no fixed network."
        ),
    )
    gb_per_day = forms.IntegerField(
        label=gettext_lazy("Gigabytes a day"),
        required=False,
        min_value=1,
        max_value=MOST_GB_PER_DAY,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        help_text=gettext_lazy("For all links and exports together. Empty: no limit."),
    )

    def clean_networks(self) -> list[str]:
        """Returns the networks.

        Raises:
            ValidationError: one error for each row that holds no network.
        """
        found, errors = [], []
        for number, row in enumerate(self.cleaned_data["networks"].splitlines(), start=1):
            if not row.strip():
                continue
            try:
                found.append(read_network(row))
            except BadRequest as error:
                errors.append(_("Row %(number)d: %(error)s") % {"number": number, "error": error.detail})
        if errors:
            raise forms.ValidationError(errors)
        return found
