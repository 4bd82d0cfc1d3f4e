from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fleet", "0003_upload_limits")]

    operations = [
        migrations.AddField(
            model_name="agent",
            name="stopped_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
