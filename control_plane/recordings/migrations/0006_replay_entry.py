"""A replay knows the entry that it was put on record with."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('recordings', '0005_track_agent')]

    operations = [
        migrations.AddField('replay', 'entry_id', models.UUIDField(editable=False, null=True)),
    ]
