"""Forms of the account pages: a name, a first password."""

from typing import Any

from allauth.account.adapter import get_adapter
from django import forms
from django.core.exceptions import ValidationError

from control_plane.accounts.models import User
from control_plane.accounts.services import LONGEST_NAME


class NameForm(forms.Form):
    """The name that others see."""

    display_name = forms.CharField(
        label="Your name",
        max_length=LONGEST_NAME,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        help_text="Your studios show it next to what you do. Without a name they show your e-mail address.",
    )


class WelcomeForm(NameForm):
    """A name, and a password for the next sign-in; both are optional."""

    password1 = forms.CharField(
        label="Password",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least twelve characters.",
    )
    password2 = forms.CharField(
        label="Password again",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data, initial={"display_name": user.display_name})
        self._user = user

    def clean(self) -> dict[str, Any]:
        """Checks that both passwords are equal and meet the platform's rules; returns the data."""
        data: dict[str, Any] = super().clean() or {}
        first, second = data.get("password1", ""), data.get("password2", "")
        if first != second:
            self.add_error("password2", "The passwords are not the same.")
        elif first:
            try:
                get_adapter().clean_password(first, user=self._user)
            except ValidationError as error:
                self.add_error("password1", error)
        return data
