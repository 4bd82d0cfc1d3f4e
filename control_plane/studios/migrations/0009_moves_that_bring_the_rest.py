"""Moves that only bring the rest along, and copies that a move has not finished."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('studios', '0008_api_keys'),
    ]

    operations = [
        migrations.AddField(
            model_name='storemove',
            name='brings_rest',
            field=models.BooleanField(default=False, editable=False),
        ),
        migrations.AlterField(
            model_name='disposal',
            name='reason',
            field=models.CharField(
                choices=[
                    ('moved', 'Lies in another store now'),
                    ('replaced', 'Was announced again for another store'),
                    ('never_sent', 'Was announced and never committed'),
                    ('quarantined', 'Belongs to a segment that was set aside'),
                    ('shredded', 'Belongs to a class that was destroyed'),
                    ('unfinished', 'A copy that a move has not finished'),
                ],
                editable=False,
                max_length=12,
            ),
        ),
    ]
