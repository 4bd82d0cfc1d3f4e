"""A member of the studio, asked for by e-mail address: a list of 2,000 people is no field."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from control_plane.accounts.models import User
from control_plane.tenancy.models import Membership

SUGGESTIONS = "people-suggested"
"""Id of the `datalist` that the page fills while somebody types."""


class MemberField(forms.EmailField):
    """An address that becomes the member who has it; asked inside the studio's scope, by a view that asked `access`."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.EmailInput(attrs={"list": SUGGESTIONS, "autocomplete": "off"})
        options: dict[str, Any] = {"widget": widget, "help_text": "Of a member of the studio."} | kwargs
        super().__init__(**options)

    def clean(self, value: Any) -> User | None:
        """Returns the person; None where it may be left empty and is.

        Raises:
            ValidationError: it is no address, or no member has it.
        """
        address = super().clean(value)
        if not address:
            return None
        found = Membership.objects.filter(user__email=address.lower()).select_related("user").first()
        if found is None:
            raise ValidationError(_("No member of the studio has this address. Invite them first."))
        person: User = found.user
        return person
