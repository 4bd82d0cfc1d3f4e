"""Tombstones of clips."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("keys", "0003_tombstones_of_dancers")]
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
                ],
                editable=False,
                max_length=12,
            ),
        )
    ]
