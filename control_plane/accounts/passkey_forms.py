"""allauth's passkey forms with a field that refuses every invalid JSON text.

Django's field handles one exception of the JSON parser. The parser raises two more, for deep nesting and long numbers.
"""

from typing import Any

from allauth.mfa.webauthn import forms as allauth_forms
from django import forms

from control_plane.accounts.services import lacks_own_signin


class Credential(forms.JSONField):
    """The JSON that a browser returns for a passkey."""

    def __init__(self) -> None:
        super().__init__(required=True, widget=forms.HiddenInput)

    def to_python(self, value: Any) -> Any:
        """Parses the browser's response.

        Raises:
            ValidationError: it is not valid JSON.
        """
        try:
            return super().to_python(value)
        except (ValueError, RecursionError) as error:
            # The message does not repeat the text, which may be long.
            raise forms.ValidationError(
                self.error_messages["invalid"], code="invalid", params={"value": ""}
            ) from error


class AddPasskey(allauth_forms.AddWebAuthnForm):
    """A new passkey. By default it signs in alone if the account has no other credential."""

    credential = Credential()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["passwordless"].initial = lacks_own_signin(self.user)


class AskPasskey(allauth_forms.AuthenticateWebAuthnForm):
    """Asks for a passkey as the second step of a sign-in."""

    credential = Credential()


class AskPasskeyAgain(allauth_forms.ReauthenticateWebAuthnForm):
    """Asks a signed-in person for a passkey again."""

    credential = Credential()


class SignInByPasskey(allauth_forms.LoginWebAuthnForm):
    """Signs in with a passkey alone."""

    credential = Credential()
