"""allauth's forms for passkeys, whose answers may be any text: what is no JSON that can be read is refused as such.

Django's field expects one error of the JSON reader; it raises two more, for nesting and for numbers too long for it.
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
        """Returns the answer.

        Raises:
            ValidationError: it is no JSON.
        """
        try:
            return super().to_python(value)
        except (ValueError, RecursionError) as error:
            # The text is not repeated in the message: it may be long.
            raise forms.ValidationError(
                self.error_messages["invalid"], code="invalid", params={"value": ""}
            ) from error


class AddPasskey(allauth_forms.AddWebAuthnForm):
    """A new passkey. For somebody with nothing else to sign in with it is one that signs in alone, unless unticked."""

    credential = Credential()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["passwordless"].initial = lacks_own_signin(self.user)


class AskPasskey(allauth_forms.AuthenticateWebAuthnForm):
    """The second step of a sign-in."""

    credential = Credential()


class AskPasskeyAgain(allauth_forms.ReauthenticateWebAuthnForm):
    """Somebody signed in confirms that it is still them."""

    credential = Credential()


class SignInByPasskey(allauth_forms.LoginWebAuthnForm):
    """A sign-in by nothing but a passkey."""

    credential = Credential()
