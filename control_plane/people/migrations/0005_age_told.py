"""When a dancer's family was told that the dancer has come of age."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("people", "0004_consent_security")]
    operations: ClassVar = [
        migrations.AddField("dancer", "age_told_at", models.DateTimeField(editable=False, null=True)),
    ]
