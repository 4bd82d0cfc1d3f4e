"""Platform operators."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("accounts", "0001_initial")]
    operations: ClassVar = [
        migrations.AddField(
            model_name="user",
            name="is_operator",
            field=models.BooleanField(default=False, verbose_name="platform operator"),
        ),
    ]
