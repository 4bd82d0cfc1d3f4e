"""Tables of consent: ConsentNotice, ConsentRequest and the append-only ConsentRecord."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from control_plane.common.models import STUDIO_ONLY, StudioOwned
from control_plane.common.scoping import CapabilityManager


class ConsentPurpose(models.TextChoices):
    """Uses of footage that a family allows or refuses one by one."""

    RECORD = "record", _("Recording the class")
    REPLAY = "replay", _("Watching recordings in the studio's circle")
    SHARE = "share", _("Sharing recordings by link")
    LIVE = "live", _("Watching live")
    EXPORT = "export", _("Downloading recordings")
    POSE = "pose", _("Analysing movement")
    THIRD_PARTY = "third_party", _("Passing recordings to other companies")


class ConsentAnswer(models.TextChoices):
    """An answer about one purpose. Only `GRANTED` opens anything."""

    GRANTED = "granted", _("Given")
    REFUSED = "refused", _("Refused")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class ConsentMethod(models.TextChoices):
    """How an answer reached the studio."""

    PORTAL = "portal", _("In the portal")
    EMAIL = "email", _("By the link of an e-mail")
    PAPER = "paper", _("On paper")


class Signer(models.TextChoices):
    """In what capacity a person answered: for a minor, or as the adult dancer."""

    GUARDIAN = "guardian", _("A guardian")
    SELF = "self", _("The dancer")


def _purposes() -> Any:
    return ArrayField(
        models.CharField(max_length=16, choices=ConsentPurpose.choices), size=len(ConsentPurpose)
    )


class ConsentNotice(StudioOwned):
    """One version of the text by which a studio asks for consent, in one language, for a set of purposes.

    `version` counts all published notices of the studio (null: a draft). A published notice never changes: the
    database refuses it, because consent records point to what the person read.
    """

    view_permission = "view_dancers"
    access_path = STUDIO_ONLY

    language = models.CharField(max_length=16)
    purposes = _purposes()
    title = models.CharField(max_length=120)
    text = models.TextField(max_length=20_000)
    version = models.PositiveIntegerField(null=True, editable=False)
    published_at = models.DateTimeField(null=True, editable=False)
    published_by = models.UUIDField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-created_at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["studio", "version"], name="people_notice_version_once"),
            models.CheckConstraint(
                condition=models.Q(version__isnull=True, published_at__isnull=True)
                | models.Q(version__isnull=False, published_at__isnull=False),
                name="people_notice_version_if_published",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class ConsentRequest(StudioOwned):
    """One question to one person about one dancer, sent by e-mail. Only the SHA-256 of the link's token is stored.

    `answered_at`, `revoked_at` null: not yet. `reminded_at` is the last of `reminders` reminders.
    """

    view_permission = "manage_consents"
    access_path = STUDIO_ONLY

    dancer = models.ForeignKey("people.Dancer", on_delete=models.CASCADE, related_name="+", editable=False)
    notice = models.ForeignKey(ConsentNotice, on_delete=models.PROTECT, related_name="+", editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", editable=False
    )
    purposes = _purposes()
    token_sha256 = models.BinaryField(unique=True, editable=False)
    asked_by = models.UUIDField(null=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(editable=False)
    answered_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    reminders = models.PositiveSmallIntegerField(default=0, editable=False)
    reminded_at = models.DateTimeField(null=True, editable=False)

    reachable: ClassVar[CapabilityManager] = CapabilityManager()

    class Meta(StudioOwned.Meta):
        default_manager_name = "objects"
        ordering: ClassVar = ["-created_at", "id"]
        indexes: ClassVar = [
            models.Index(fields=["dancer", "-created_at"], name="people_request_of_dancer"),
            models.Index(
                fields=["studio", "created_at"],
                condition=models.Q(answered_at=None, revoked_at=None),
                name="people_request_open",
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["dancer", "user"],
                condition=models.Q(answered_at=None, revoked_at=None),
                name="people_request_one_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.dancer_id} {self.created_at:%Y-%m-%d}"


class ConsentRecord(StudioOwned):
    """One answer about one dancer and one purpose. Append-only: the latest one by `answered_at` decides.

    `answered_at` is when the answer takes effect; `signed_on` is the day on a paper (null: no paper). `answered_by` is
    the account that answered (null: on paper), `signed_by` the name that the person gave, `recorded_by` the member of
    staff who entered a paper. `notice` null: a paper form of the studio's own, or the
    withdrawal of a consent on one. Rows go only with their dancer's erasure.
    """

    view_permission = "view_dancers"
    access_path = STUDIO_ONLY

    dancer = models.ForeignKey(
        "people.Dancer", on_delete=models.CASCADE, related_name="consent_records", editable=False
    )
    purpose = models.CharField(max_length=16, choices=ConsentPurpose.choices, editable=False)
    answer = models.CharField(max_length=16, choices=ConsentAnswer.choices, editable=False)
    signer = models.CharField(max_length=16, choices=Signer.choices, editable=False)
    method = models.CharField(max_length=16, choices=ConsentMethod.choices, editable=False)
    notice = models.ForeignKey(
        ConsentNotice, null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    answered_at = models.DateTimeField(editable=False)
    signed_on = models.DateField(null=True, editable=False)
    answered_by = models.UUIDField(null=True, editable=False)
    signed_by = models.CharField(max_length=120, blank=True, editable=False)
    recorded_by = models.UUIDField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["-answered_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["dancer", "purpose", "-answered_at", "-id"], name="people_consent_latest")
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(purpose__in=ConsentPurpose.values)
                & models.Q(answer__in=ConsentAnswer.values)
                & models.Q(signer__in=Signer.values),
                name="people_consent_known_values",
            ),
            models.CheckConstraint(
                condition=models.Q(method=ConsentMethod.PAPER, recorded_by__isnull=False)
                | models.Q(
                    models.Q(notice__isnull=False) | models.Q(answer=ConsentAnswer.WITHDRAWN),
                    method__in=[ConsentMethod.PORTAL, ConsentMethod.EMAIL],
                    answered_by__isnull=False,
                ),
                name="people_consent_has_evidence",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.answer}"
