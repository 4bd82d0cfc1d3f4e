"""Tables of people: User and SigninLink. They belong to no studio; `tenancy.Membership` ties them to some."""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from control_plane.common.actors import Actor
from control_plane.common.models import STUDIO_ONLY, UUIDModel


def _as_kept(address: str) -> str:
    """Returns an address as it is stored, and so compared: exactly.

    The database's own comparison without case takes letters of other scripts for ours (dotless i for i): somebody with
    a mailbox at such an address would be taken for somebody else.
    """
    return address.strip().lower()


class UserManager(BaseUserManager["User"]):
    """Makes and finds people by e-mail address, whatever its case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Returns a new person; without a password only links and passkeys sign in.

        Raises:
            ValueError: the address is empty.
        """
        if not email:
            raise ValueError("a person needs an e-mail address")
        user = self.model(email=_as_kept(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        """Returns the person with this address.

        Raises:
            User.DoesNotExist: nobody has it.
        """
        return self.get(email=_as_kept(username or ""))

    def by_address(self, address: str) -> "User | None":
        """Returns the person with this address; None where nobody has it."""
        kept = _as_kept(address)
        return None if "\0" in kept else self.filter(email=kept).first()


class User(AbstractBaseUser, PermissionsMixin, UUIDModel):
    """One person. `is_staff` opens the admin site; what it shows there is still up to `access`.

    `is_operator`: runs the platform, and has no standing access to any studio (`access.services.open_break_glass`).
    `setup_not_before`: a session whose person showed who they are earlier may not give the account its first password or
    factor (`sessions.may_set_up`); null: any may.
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
        """Returns the first part of the name."""
        return self.get_full_name().split(" ")[0]

    @property
    def actor(self) -> Actor:
        """The person as the one who acts."""
        return Actor.user(UUID(str(self.id)))


class SigninLink(UUIDModel):
    """One way in for one person, once, until `expires_at`. The token itself is never stored, only its SHA-256."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", editable=False)
    token_sha256 = models.BinaryField(unique=True, editable=False)
    expires_at = models.DateTimeField(editable=False)
    used_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return str(self.id)
