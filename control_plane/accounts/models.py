"""Tables of people: User and SigninLink. They belong to no studio; `tenancy.Membership` links people to studios."""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from control_plane.common.actors import Actor
from control_plane.common.models import STUDIO_ONLY, UUIDModel


def _normalized(address: str) -> str:
    """Returns an address in the form in which it is stored and compared.

    PostgreSQL's case-insensitive comparison maps some foreign letters to ASCII (dotless i to i). The owner of such an
    address would then count as the owner of another one.
    """
    return address.strip().lower()


class UserManager(BaseUserManager["User"]):
    """Creates and finds people by e-mail address, ignoring case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Creates a person. Without a password only links and passkeys sign in.

        Raises:
            ValueError: the address is empty.
        """
        if not email:
            raise ValueError("a person needs an e-mail address")
        user = self.model(email=_normalized(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        """Returns the person with this address.

        Raises:
            User.DoesNotExist: nobody has it.
        """
        return self.get(email=_normalized(username or ""))

    def by_address(self, address: str) -> "User | None":
        """Returns the person with this address, or None."""
        address = _normalized(address)
        return None if "\0" in address else self.filter(email=address).first()


class User(AbstractBaseUser, PermissionsMixin, UUIDModel):
    """One person. `is_staff` opens the admin site; `access` still decides what it shows.

    `is_operator`: runs the platform, and can access studios only by break-glass (`access.services.open_break_glass`).
    `setup_not_before`: sessions authenticated earlier may not set the account's first password or factor
    (`sessions.may_set_first_credential`); null: any session may.
    """

    view_permission = "manage_people"
    access_path = STUDIO_ONLY

    email = models.EmailField("e-mail address", unique=True)
    display_name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("may open the admin site", default=False)
    is_operator = models.BooleanField("platform operator", default=False)
    setup_not_before = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("email"), name="accounts_user_email_any_case_once")
        ]

    def __str__(self) -> str:
        return self.display_name or self.email

    def get_full_name(self) -> str:
        """Returns the name shown to others."""
        return self.display_name or self.email

    def get_short_name(self) -> str:
        """Returns the first word of the name."""
        return self.get_full_name().split(" ")[0]

    @property
    def actor(self) -> Actor:
        """The person as an actor."""
        return Actor.user(UUID(str(self.id)))


class SigninLink(UUIDModel):
    """A one-time sign-in link of one person, valid until `expires_at`. Only the SHA-256 of its token is stored."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", editable=False)
    token_sha256 = models.BinaryField(unique=True, editable=False)
    expires_at = models.DateTimeField(editable=False)
    used_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return str(self.id)
