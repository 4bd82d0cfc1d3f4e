"""A form field for a member, entered by e-mail address: a select of 2,000 people is unusable."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from control_plane.accounts.models import User
from control_plane.tenancy.models import Membership

SUGGESTIONS = "people-suggested"
"""Id of the `datalist` that the page fills while somebody types."""


class MemberField(forms.EmailField):
    """Turns an e-mail address into the member. Needs the studio's scope and a view that has checked access."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.EmailInput(attrs={"list": SUGGESTIONS, "autocomplete": "off"})
        options: dict[str, Any] = {"widget": widget, "help_text": "Of a member of the studio."} | kwargs
        super().__init__(**options)

    def clean(self, value: Any) -> User | None:
        """Returns the person, or None for an optional empty field.

        Raises:
            ValidationError: not an address, or no member's address.
        """
        address = super().clean(value)
        if not address:
            return None
        found = Membership.objects.filter(user__email=address.lower()).select_related("user").first()
        if found is None:
            raise ValidationError(_("No member of the studio has this address. Invite them first."))
        person: User = found.user
        return person
