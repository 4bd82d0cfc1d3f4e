"""Invitations whose readers are to become guardians, with row security."""

from typing import ClassVar

import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models

from control_plane.common.rls import ForceRowSecurity

RELATIONS = ["parent", "guardian", "carer", "self"]


class Migration(migrations.Migration):
    dependencies: ClassVar = [("people", "0005_age_told"), ("tenancy", "0002_row_security")]
    operations: ClassVar = [
        migrations.CreateModel(
            name="GuardianInvitation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=shared.protocol.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "relation",
                    models.CharField(
                        choices=[
                            ("parent", "Parent"),
                            ("guardian", "Legal guardian"),
                            ("carer", "Carer"),
                            ("self", "The dancer"),
                        ],
                        default="parent",
                        max_length=16,
                    ),
                ),
                (
                    "dancer",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="people.dancer",
                    ),
                ),
                (
                    "invitation",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenancy.invitation",
                    ),
                ),
                (
                    "studio",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenancy.studio",
                    ),
                ),
            ],
            options={
                "ordering": ["created_at"],
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.AddConstraint(
            "guardianinvitation",
            models.UniqueConstraint(fields=("dancer", "invitation"), name="people_guardianinvitation_once"),
        ),
        migrations.AddConstraint(
            "guardianinvitation",
            models.CheckConstraint(
                condition=models.Q(("relation__in", RELATIONS)),
                name="people_guardianinvitation_known_relation",
            ),
        ),
        ForceRowSecurity("GuardianInvitation"),
    ]
