from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fleet", "0002_row_security")]

    operations = [
        migrations.AddField(
            model_name="agent",
            name="upload_opens",
            field=models.CharField(blank=True, default="", editable=False, max_length=5),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="agent",
            name="upload_closes",
            field=models.CharField(blank=True, default="", editable=False, max_length=5),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="agent",
            name="upload_max_bytes_per_s",
            field=models.PositiveBigIntegerField(editable=False, null=True),
        ),
    ]
