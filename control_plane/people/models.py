"""Tables of people who are filmed: Dancer, Guardianship, GuardianInvitation; those of consent are in `consent_models`."""

from datetime import date
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import ExtractYear
from django.utils import timezone

from control_plane.common.models import STUDIO_ONLY, StudioOwned
from control_plane.people import consent_models  # noqa: F401  # Django finds the tables of an app here
from control_plane.people.dancer_list import FIRST_BIRTH_YEAR

ADULT_AGE = 18
LAST_BIRTH_YEAR = 2200


class Dancer(StudioOwned):
    """One person who dances at the studio, with or without an account.

    `name` is for the studio's staff. `birth_date` is optional; `birth_year` is always its year. With the year alone, a
    dancer counts as a minor until the end of the year of the 18th birthday; with neither, always. `adult_on` is the first
    day of age that follows from them (null: unknown), computed by the database. `protected`: nothing that shows this
    dancer leaves the studio, and other families see neither name nor timetable. `left_at` null: the dancer is active.
    `age_told_at`: when the family was told that the dancer has come of age.
    """

    view_permission = "view_dancers"
    access_path = STUDIO_ONLY

    name = models.CharField(max_length=120)
    birth_year = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(FIRST_BIRTH_YEAR), MaxValueValidator(LAST_BIRTH_YEAR)],
    )
    birth_date = models.DateField(null=True, blank=True)
    adult_on = models.GeneratedField(
        expression=models.Func(
            template="COALESCE((birth_date + interval '18 years')::date, make_date(birth_year + 19, 1, 1))",
            output_field=models.DateField(),
        ),
        output_field=models.DateField(null=True),
        db_persist=True,
    )
    protected = models.BooleanField(default=False)
    note = models.TextField(max_length=1000, blank=True)
    left_at = models.DateTimeField(null=True, blank=True, editable=False)
    age_told_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["name", "id"]
        indexes: ClassVar = [models.Index(fields=["studio", "name"], name="people_dancer_by_name")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(birth_date__isnull=True) | models.Q(birth_year=ExtractYear("birth_date")),
                name="people_dancer_year_of_date",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_minor(self) -> bool:
        """Whether to treat this dancer as a minor today, in the time zone in force (the studio's on its pages)."""
        return self.is_minor_on(timezone.localdate())

    def is_minor_on(self, day: date) -> bool:
        """Returns whether to treat this dancer as a minor on a day of the studio's calendar."""
        adult_on = first_day_of_age(self.birth_date, self.birth_year)
        return adult_on is None or day < adult_on


def first_day_of_age(birth_date: date | None, birth_year: int | None) -> date | None:
    """Returns the first day on which a dancer counts as an adult; None: unknown. As the column `adult_on`.

    Who was born on 29 February comes of age on 28 February, as PostgreSQL adds years.
    """
    if birth_date is not None:
        is_leap_day = (birth_date.month, birth_date.day) == (2, 29)
        return birth_date.replace(year=birth_date.year + ADULT_AGE, day=28 if is_leap_day else birth_date.day)
    return date(birth_year + ADULT_AGE + 1, 1, 1) if birth_year else None


class Relation(models.TextChoices):
    """Relation of a person to a dancer. `SELF`: the dancer's own account."""

    PARENT = "parent", "Parent"
    GUARDIAN = "guardian", "Legal guardian"
    CARER = "carer", "Carer"
    SELF = "self", "The dancer"


class Guardianship(StudioOwned):
    """One person answers for one dancer, from `started_at` to `ended_at` (null: not ended)."""

    view_permission = "view_dancers"
    access_path = STUDIO_ONLY

    dancer = models.ForeignKey(Dancer, on_delete=models.CASCADE, related_name="guardianships", editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", editable=False
    )
    relation = models.CharField(max_length=16, choices=Relation.choices, default=Relation.PARENT)
    started_at = models.DateTimeField(editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["started_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["dancer", "user"],
                condition=models.Q(ended_at__isnull=True),
                name="people_guardianship_once_at_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(relation__in=Relation.values), name="people_guardianship_known_relation"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.relation}"


class GuardianInvitation(StudioOwned):
    """An invitation whose reader becomes a guardian of a dancer once somebody approves; then the row is deleted."""

    view_permission = "view_dancers"
    access_path = STUDIO_ONLY

    dancer = models.ForeignKey(Dancer, on_delete=models.CASCADE, related_name="+", editable=False)
    invitation = models.ForeignKey(
        "tenancy.Invitation", on_delete=models.CASCADE, related_name="+", editable=False
    )
    relation = models.CharField(max_length=16, choices=Relation.choices, default=Relation.PARENT)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dancer", "invitation"], name="people_guardianinvitation_once"),
            models.CheckConstraint(
                condition=models.Q(relation__in=Relation.values),
                name="people_guardianinvitation_known_relation",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invitation_id} {self.relation}"
