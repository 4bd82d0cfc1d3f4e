"""Segments that outlive their class."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('recordings', '0004_timetable_security'),
    ]

    operations = [
        migrations.AddField(
            model_name='segment',
            name='kept',
            field=models.BooleanField(default=False, editable=False),
        ),
    ]
