"""One index for each question that the search page asks."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("audit", "0002_row_security")]
    operations: ClassVar = [
        migrations.AddIndex(
            "Entry", models.Index(fields=["studio_id", "-occurred_at", "-sequence"], name="audit_entry_by_time")
        ),
        migrations.AddIndex(
            "Entry",
            models.Index(
                fields=["studio_id", "actor_id", "-occurred_at", "-sequence"], name="audit_entry_by_actor"
            ),
        ),
        migrations.AddIndex(
            "Entry",
            models.Index(
                fields=["studio_id", "object_id", "-occurred_at", "-sequence"], name="audit_entry_by_object"
            ),
        ),
        migrations.AddIndex(
            "Entry",
            models.Index(
                fields=["studio_id", "action", "-occurred_at", "-sequence"], name="audit_entry_by_action"
            ),
        ),
    ]
