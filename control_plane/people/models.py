"""Tables of people who are filmed: Dancer, Guardianship. Consent has its own tables."""

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from control_plane.common.models import STUDIO_ONLY, StudioOwned
from control_plane.people.dancer_list import FIRST_BIRTH_YEAR

ADULT_AGE = 18
LAST_BIRTH_YEAR = 2200


class Dancer(StudioOwned):
    """One person who dances at the studio, with or without an account.

    `name` is for the studio's staff. `birth_year` is all that is kept of the date of birth, because only "minor or not"
    matters; null: unknown, treated as a minor. `protected`: nothing that shows this dancer leaves the studio, and other
    families see neither name nor timetable. `left_at` null: the dancer is active.
    """

    view_permission = "view_dancers"
    access_path = STUDIO_ONLY

    name = models.CharField(max_length=120)
    birth_year = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(FIRST_BIRTH_YEAR), MaxValueValidator(LAST_BIRTH_YEAR)],
    )
    protected = models.BooleanField(default=False)
    note = models.TextField(max_length=1000, blank=True)
    left_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(StudioOwned.Meta):
        ordering: ClassVar = ["name", "id"]
        indexes: ClassVar = [models.Index(fields=["studio", "name"], name="people_dancer_by_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_minor(self) -> bool:
        """Whether to treat this dancer as a minor: up to the end of the year of the 18th birthday, or year unknown."""
        return self.birth_year is None or timezone.localdate().year - self.birth_year <= ADULT_AGE


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
