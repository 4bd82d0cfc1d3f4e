"""The sealed key of a segment that is announced, under the key of its class."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('ingest', '0003_pending_store')]

    operations = [
        migrations.AddField('pendingsegment', 'wrapped_seal', models.BinaryField(default=b'', editable=False)),
    ]
