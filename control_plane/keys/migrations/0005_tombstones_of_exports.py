"""Tombstones of exports."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("keys", "0004_tombstones_of_clips")]
    operations: ClassVar = [
        migrations.AlterField(
            model_name="keytombstone",
            name="kind",
            field=models.CharField(
                choices=[
                    ("class", "A class"),
                    ("generation", "A retired generation of the studio's keys"),
                    ("studio", "The whole studio"),
                    ("dancer", "A dancer"),
                    ("clip", "A clip"),
                    ("export", "An export"),
                ],
                editable=False,
                max_length=12,
            ),
        )
    ]
